"""OpenCV's MOG2 over clips: motion is a blob of more than 0.2 % of the picture in
three frames running, the usual recipe.

  mog2.py CORPUS OUT CLIP...

Writes OUT/<clip>.csv and prints the CPU milliseconds a frame, decoding included.
"""
import csv
import os
import sys
import time

import cv2

cv2.setNumThreads(1)
corpus, out, clips = sys.argv[1], sys.argv[2], sys.argv[3:]
frames, start = 0, time.process_time()
for clip in clips:
    video = cv2.VideoCapture(os.path.join(corpus, clip, "clip.avi"))
    model = cv2.createBackgroundSubtractorMOG2(history=500, varThreshold=16, detectShadows=True)
    rows, run = [], 0
    while True:
        ok, frame = video.read()
        if not ok:
            break
        mask = model.apply(frame)
        mask = cv2.threshold(mask, 200, 255, cv2.THRESH_BINARY)[1]  # without shadows
        found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        area = max((cv2.contourArea(c) for c in found), default=0)
        run = run + 1 if area > 0.002 * mask.size else 0
        rows.append((len(rows), int(run >= 3)))
    frames += len(rows)
    with open(os.path.join(out, clip + ".csv"), "w", newline="") as fh:
        w = csv.writer(fh)
        w.writerow(("frame", "motion"))
        w.writerows(rows)
print(1000 * (time.process_time() - start) / max(frames, 1))
