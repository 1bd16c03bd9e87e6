"""Redis as Celery's broker, for workers that outlive it.

When Redis dies while a task runs, Celery (5.7) closes the connection twice and acknowledges the task's message, on
the closed connection, once it has ended. kombu (5.7) then looks for an address at a client that is gone: the
AttributeError ("'NoneType' object has no attribute 'hostname'") is none of the errors of a connection, and the whole
worker ends. As an error of a connection it is logged, and the worker goes on as soon as Redis is back. The message is
gone with Redis, or comes again and has expired: the next tick starts the work anew.
"""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the connection to Redis is closed")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[no-untyped-call]
        return parameters


class Transport(redis.Transport):
    Channel = Channel
