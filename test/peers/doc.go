// Package peers holds the tests that need real programs beside pirwatch:
// brokers, browsers, other makers' MQTT clients. They are built with the tag
// "peers"; a missing program skips its test, or fails it where
// PIRWATCH_REQUIRE_PEERS is set, as in CI.
package peers
