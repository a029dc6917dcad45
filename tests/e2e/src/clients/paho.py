"""Drives the paho client: one JSON command a line in, one JSON event a line out.

It adds nothing to what paho does: no reconnecting, no retries, no filtering.
"""

import json
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

lock = threading.Lock()


def tell(event, **fields):
    with lock:
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()


def connected(client, _data, flags, reason, properties):
    assigned = getattr(properties, "AssignedClientIdentifier", None)
    tell("connected", reason=reason.value, sessionPresent=flags.session_present, assignedClientId=assigned)


def message(_client, _data, m):
    tell("message", topic=m.topic, payload=m.payload.decode(), qos=m.qos, retain=m.retain)


def connect(c):
    version = mqtt.MQTTv5 if c["version"] == 5 else mqtt.MQTTv311
    clean = {} if version == mqtt.MQTTv5 else {"clean_session": c["cleanStart"]}
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id=c["clientId"],
        protocol=version,
        reconnect_on_failure=False,
        **clean,
    )
    client.on_connect = connected
    client.on_message = message
    client.on_disconnect = lambda _c, _d, _f, reason, _p: tell("disconnected", reason=reason.value)
    client.on_subscribe = lambda _c, _d, _m, reasons, _p: tell("subscribed", reasons=[r.value for r in reasons])
    client.on_unsubscribe = lambda _c, _d, _m, _r, _p: tell("unsubscribed")
    client.on_publish = lambda _c, _d, _m, reason, _p: tell("published", reason=reason.value)
    if c.get("username") is not None:
        client.username_pw_set(c["username"], c.get("password"))
    if c.get("will"):
        will = c["will"]
        client.will_set(will["topic"], will["payload"], will["qos"], will["retain"])
    if c.get("tls"):
        tls = c["tls"]
        client.tls_set(ca_certs=tls["ca"], certfile=tls.get("certificate"), keyfile=tls.get("key"))
    further = {}
    if version == mqtt.MQTTv5:
        further["clean_start"] = c["cleanStart"]
        further["properties"] = Properties(PacketTypes.CONNECT)
        further["properties"].SessionExpiryInterval = c["sessionExpiry"]
    client.connect(c["host"], c["port"], keepalive=c["keepAlive"], **further)
    client.loop_start()
    return client


def run(client, c):
    op = c["op"]
    if op == "connect":
        return connect(c)
    if op == "subscribe":
        client.subscribe([(f, q) for f, q in c["filters"]])
    elif op == "unsubscribe":
        client.unsubscribe(c["filter"])
    elif op == "publish":
        client.publish(c["topic"], c["payload"], c["qos"], c["retain"])
    elif op == "disconnect":
        client.disconnect()
    elif op == "abort":
        # The connection ends without DISCONNECT, as when a device loses power.
        client.socket().close()
    else:
        raise ValueError("unknown command " + op)
    return client


def main():
    client = None
    for line in sys.stdin:
        try:
            client = run(client, json.loads(line))
        except Exception as error:  # Told to the test, which decides whether it was expected.
            tell("failed", error=f"{type(error).__name__}: {error}")


main()
