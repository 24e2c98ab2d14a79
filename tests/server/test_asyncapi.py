"""The document of the WebSocket protocol against the protocol itself. (Its form: `make test-asyncapi`.)"""
