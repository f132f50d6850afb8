"""Debian's motion over clips, at their own pace.

  motion.py CONF CORPUS OUT CLIP...

motion reads the file as a network camera and saves a lossless picture of every
frame in which it sees motion; which frame that was is found by comparing it with
the clip's. Writes OUT/<clip>.csv and prints the CPU milliseconds a frame.
"""
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

conf, corpus, out, clips = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
manifest = {m["clip"]: m for m in json.load(open(os.path.join(corpus, "manifest.json")))}


def down8(n):  # motion takes multiples of eight
    return n // 8 * 8


def read(path, size):
    video, frames = cv2.VideoCapture(path), []
    while True:
        ok, frame = video.read()
        if not ok:
            return np.array(frames)
        small = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), size, interpolation=cv2.INTER_AREA)
        frames.append(cv2.resize(small, (size[0] // 4, size[1] // 4), interpolation=cv2.INTER_AREA).astype(np.int16))


def run(clip):
    m = manifest[clip]
    path = os.path.abspath(os.path.join(corpus, clip, "clip.avi"))
    size = down8(m["width"]), down8(m["height"])
    with tempfile.TemporaryDirectory() as tmp:
        text = open(conf).read()
        text += f"\nnetcam_url file://{path}\nwidth {size[0]}\nheight {size[1]}\nframerate {round(m['fps'])}\n"
        text += f"target_dir {tmp}\nlog_file {tmp}/log\n"
        text = text.replace("AREA", str(round(0.002 * size[0] * size[1])))
        open(os.path.join(tmp, "m.conf"), "w").write(text)
        p = subprocess.Popen(["motion", "-n", "-c", os.path.join(tmp, "m.conf")],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(m["frames"] / m["fps"] + 4)
        ticks = open(f"/proc/{p.pid}/stat").read().rsplit(")", 1)[1].split()
        cpu = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
        seconds = m["frames"] / m["fps"] + 3
        p.send_signal(signal.SIGTERM)
        try:
            p.wait(10)
        except subprocess.TimeoutExpired:
            p.kill()
        frames = read(path, size)
        seen, last = set(), 0
        for name in sorted((f for f in os.listdir(tmp) if f.endswith(".ppm")), key=lambda f: f.split("-", 1)[1]):
            pic = cv2.imread(os.path.join(tmp, name), cv2.IMREAD_GRAYSCALE)
            if pic is None:
                continue
            pic = cv2.resize(pic, (size[0] // 4, size[1] // 4), interpolation=cv2.INTER_AREA).astype(np.int16)
            n = int(np.abs(frames - pic).sum(axis=(1, 2)).argmin())
            if n < last - len(frames) // 4:
                break  # motion plays the file again
            last = max(last, n)
            seen.add(n)
    with open(os.path.join(out, clip + ".csv"), "w", newline="") as fh:
        w = csv.writer(fh)
        w.writerow(("frame", "motion"))
        w.writerows((i, int(i in seen)) for i in range(len(frames)))
    return cpu, seconds * m["fps"]


with ThreadPoolExecutor(3) as pool:
    parts = list(pool.map(run, clips))
print(1000 * sum(c for c, _ in parts) / sum(n for _, n in parts))
