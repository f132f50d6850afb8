"""Receives pieces with Eclipse Paho for Python and puts pictures together;
prints "<pic_id> <sha256> <bytes>" for each.

usage: receive.py HOST:PORT TOPIC [standard|string|object]
"""
import base64
import hashlib
import json
import os
import sys

import paho.mqtt.client as mqtt

host, port = sys.argv[1].rsplit(":", 1)
topic = sys.argv[2]
envelope = sys.argv[3] if len(sys.argv) > 3 else "standard"
pictures = {}


def on_connect(client, userdata, flags, reason, properties):
    client.subscribe(topic, qos=1)


def on_message(client, userdata, message):
    piece = json.loads(message.payload)
    if envelope != "standard":
        piece = json.loads(piece["d"]) if envelope == "string" else piece["d"]
    pieces = pictures.setdefault(piece["pic_id"], {})
    pieces[piece["pos"]] = piece["data"]
    # The recipe's size is the index of the last piece.
    count = piece["size"] if envelope == "standard" else piece["size"] + 1
    if len(pieces) == count:
        jpeg = base64.b64decode("".join(pieces[i] for i in range(count)), validate=True)
        print(piece["pic_id"], hashlib.sha256(jpeg).hexdigest(), len(jpeg), "bytes", flush=True)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"python-{os.getpid()}")
client.on_connect = on_connect
client.on_subscribe = lambda *_: print("subscribed", flush=True)
client.on_message = on_message
client.connect(host, int(port))
client.loop_forever()
