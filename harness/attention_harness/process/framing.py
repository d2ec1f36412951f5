"""Messages on a socket: a header of fixed size with the number of the request, a document, and bytes.

The number is drawn at random, so that bytes which foreign code wrote earlier are not taken for the answer.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from select import select
from struct import Struct
from typing import TypeVar

import numpy as np

from attention_harness.errors import Outcome
from attention_harness.process.messages import Failure
from attention_harness.process.packing import aligned
from attention_harness.process.schema import UnsendableArray, decoded, encoded

HEADER = Struct("<8s16sBIQ")
MAGIC = b"attn-1\r\n"
REQUEST, ANSWER, FAILURE = range(3)
"""Kinds. A request is a pickle, which the process that runs foreign code may read; an answer is data."""

LONGEST_DOCUMENT = 2**25
"""Bytes of JSON: a round of timings has some 100,000 numbers at most."""

SMALL = 2**16
"""Bytes of a message that is sent in one piece: to copy it takes less than a call of the system."""

BUFFER = 2**18
"""Bytes that are read at once; a socket holds about as many."""

Look = Callable[[bool], None]
"""Called while nothing comes (True), and between parts (False). Raises to give up."""


Kind = TypeVar("Kind")
Memory = TypeVar("Memory", bytearray, memoryview)


class GarbledAnswer(Exception):
    """The bytes are no answer to the request."""


@dataclass(frozen=True)
class Frame:
    """One message."""

    request: bytes
    kind: int
    document: bytearray
    data: np.ndarray


class Channel:
    """One end of a pair of sockets. With `seconds`, `look` is called that often while it waits."""

    def __init__(self, end: socket.socket, seconds: float | None = None, look: Look = lambda idle: None) -> None:
        self.end, self.look = end, look
        self.buffer = memoryview(bytearray(BUFFER))
        self.held = self.buffer[:0]
        end.settimeout(seconds)

    def close(self) -> None:
        """Closes this end."""
        self.end.close()

    def waiting(self) -> bool:
        """Whether there are bytes to read."""
        return bool(self.held.nbytes or select([self.end], [], [], 0)[0])

    def ask(self, message: object) -> bytes:
        """Sends a request and returns its number."""
        request = os.urandom(16)
        self._send(request, REQUEST, pickle.dumps(message))
        return request

    def reply(self, request: bytes, answer: object) -> None:
        """Sends an answer, or a Failure if it cannot be sent."""
        try:
            document, parts = encoded(answer)
        except UnsendableArray as error:
            answer = Failure(Outcome.VIOLATES, str(error))
            document, parts = encoded(answer)
        except (TypeError, ValueError) as error:
            answer = Failure(Outcome.ERRORED, f"the answer cannot be sent: {error}")
            document, parts = encoded(answer)
        self._send(request, FAILURE if isinstance(answer, Failure) else ANSWER, document, parts)

    def answer(self, request: bytes, hint: type[Kind], most: int) -> Kind | Failure:
        """The answer of this type with at most so many bytes, or a Failure. Raises GarbledAnswer, and EOFError at the end."""
        frame = self.receive(most, request)
        if frame.kind not in (ANSWER, FAILURE):
            raise GarbledAnswer(f"kind of the answer={frame.kind}, but should be {ANSWER} or {FAILURE}")
        try:
            return (
                decoded(hint, frame.document, frame.data)
                if frame.kind == ANSWER
                else decoded(Failure, frame.document, frame.data)
            )
        except ValueError as error:
            raise GarbledAnswer(f"the answer is not of its schema: {str(error).splitlines()[0][:300]}") from None

    def receive(self, most: int = 2**62, request: bytes = b"") -> Frame:
        """The next message, to this request if one is given. Raises GarbledAnswer, and EOFError at the end."""
        magic, number, kind, length, size = HEADER.unpack(self._filled(bytearray(HEADER.size)))
        if magic != MAGIC:
            raise GarbledAnswer(
                f"header={magic!r}, but should be {MAGIC!r}: something else was written to the pipe of the answers"
            )
        if request and number != request:
            raise GarbledAnswer(f"request={number.hex()}, but should be {request.hex()}: an answer that nobody asked for")
        if request and (length > LONGEST_DOCUMENT or size > most):
            raise GarbledAnswer(f"size of the answer={length} and {size}, but should be {LONGEST_DOCUMENT} and {most} at most")
        try:
            document, data = bytearray(length), aligned(size)
        except MemoryError:
            raise GarbledAnswer(f"size of the answer={size}, but should fit into memory") from None
        self._filled(document)
        self._filled(data.data)
        return Frame(number, kind, document, data)

    def _send(self, request: bytes, kind: int, document: bytes, parts: Sequence[memoryview] = ()) -> None:
        size = sum(part.nbytes for part in parts)
        head = HEADER.pack(MAGIC, request, kind, len(document), size)
        pieces: list[bytes | memoryview] = [head, document, *parts]
        for piece in [b"".join(pieces)] if len(document) + size < SMALL else pieces:
            self._write(memoryview(piece))

    def _write(self, piece: memoryview) -> None:
        while piece.nbytes:
            try:
                piece = piece[self.end.send(piece) :]
            except TimeoutError:
                self.look(True)
            else:
                self.look(False)

    def _filled(self, memory: Memory) -> Memory:
        """The memory, filled with the next bytes."""
        rest = memoryview(memory)
        while rest.nbytes:
            if not self.held.nbytes and rest.nbytes > SMALL:
                rest = rest[self._come(rest) :]
                continue
            if not self.held.nbytes:
                self.held = self.buffer[: self._come(self.buffer)]
            count = min(rest.nbytes, self.held.nbytes)
            rest[:count] = self.held[:count]
            rest, self.held = rest[count:], self.held[count:]
        return memory

    def _come(self, memory: memoryview) -> int:
        """Number of bytes that came into the memory, once some have."""
        while True:
            try:
                count = self.end.recv_into(memory)
            except TimeoutError:
                self.look(True)
                continue
            except ConnectionResetError:
                count = 0
            if not count:
                raise EOFError
            self.look(False)
            return count
