// Command pirwatch turns a PIR sensor and a camera into a watchman that speaks MQTT.
package main

func main() {}
