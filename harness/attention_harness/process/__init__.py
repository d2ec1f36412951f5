"""A process of its own for foreign code: the client, the server, and the messages between them."""
