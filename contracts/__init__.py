"""The events that hold the services together: one module per event, and nothing else.

Every event is published on the topic that bears its name (`TOPIC`), as a CloudEvents 1.0 message
in Kafka's binary mode.
"""
