"""What hostile clients of an HTTP service do. Each gives what was answered, and how often."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any

from service import ADDRESS

from fuzzing.bodies import body

MANY, SOME = 1000, 200  # connections
HOLD = 15.0  # seconds for which they are held
TOKEN = "0123456789abcdef"
_HOST = b"Host: segment.example\r\n"
_KNOWN = b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
_POST = b"POST " + ADDRESS.encode() + b" HTTP/1.1\r\n" + _HOST + _KNOWN
_GIB = 2**30

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _connect(port: int) -> Ends:
    return await asyncio.open_connection("127.0.0.1", port)


async def _answer(reader: asyncio.StreamReader, seconds: float) -> str:
    """The status of an answer; whether the connection was closed without one, or is still open."""
    try:
        line = await asyncio.wait_for(reader.readline(), seconds)
    except TimeoutError:
        return "still open"
    except OSError:
        return "closed"
    return line.split()[1].decode() if line.startswith(b"HTTP/1.1 ") else "closed"


async def _send(port: int, request: bytes, *, more: bytes = b"", seconds: float = 30) -> str:
    """Send a request, then some bytes again and again, until there is an answer."""
    try:
        reader, writer = await _connect(port)
    except OSError:
        return "not connected"
    try:
        writer.write(request)
        answer = asyncio.ensure_future(_answer(reader, seconds))
        with suppress(OSError):
            while more and not answer.done():
                writer.write(more)
                await writer.drain()
                await asyncio.sleep(0)
        return await answer
    finally:
        writer.transport.abort()


async def _hold(port: int, count: int, first: bytes, drip: bytes = b"") -> Counter[str]:
    """Open many connections, send some bytes on each and then byte by byte, and see what comes."""

    async def one() -> str:
        try:
            reader, writer = await _connect(port)
        except OSError:
            return "not connected"
        writer.write(first)
        answer = asyncio.ensure_future(_answer(reader, HOLD))
        while drip and not answer.done():
            await asyncio.sleep(0.5)
            writer.write(drip)
        found = await answer
        writer.transport.abort()
        return found

    return Counter(await asyncio.gather(*(one() for _ in range(count))))


async def silence(port: int) -> Counter[str]:
    """1,000 connections that say nothing."""
    return await _hold(port, MANY, b"")


async def half_heads(port: int) -> Counter[str]:
    """1,000 connections with half the head of a request."""
    return await _hold(port, MANY, b"POST /v1/seg")


async def dripping_heads(port: int) -> Counter[str]:
    """Heads that come byte by byte (slowloris)."""
    return await _hold(port, SOME, b"GET /health HTTP/1.1\r\nX: ", b"a")


async def dripping_bodies(port: int) -> Counter[str]:
    """Bodies that come byte by byte, from clients with a token."""
    return await _hold(port, SOME, _POST + b"Content-Length: 50000\r\n\r\n", b"\0")


async def without_reading(port: int) -> Counter[str]:
    """Clients that ask again and again for a large answer and never read."""

    def fill() -> str:
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.settimeout(HOLD)
            page = b"GET /openapi.json HTTP/1.1\r\n" + _HOST + b"\r\n"
            try:
                one.sendall(page * 300)
                one.settimeout(60)
                while one.send(b"G"):
                    pass
            except TimeoutError:
                return "still open"
            except OSError:
                return "closed"
        return "closed"

    return Counter(await asyncio.gather(*(asyncio.to_thread(fill) for _ in range(8))))


async def too_much(port: int) -> Counter[str]:
    """10 GB announced, bodies without end, lies about the length, halves of bodies."""
    zeros = bytes(2**16)
    chunk = b"10000\r\n" + zeros + b"\r\n"
    found = [
        await _send(port, _POST + b"Content-Length: %d\r\n\r\n" % (10 * _GIB)),
        await _send(port, _POST + b"Content-Length: %d\r\n\r\n" % (10 * _GIB), more=zeros),
        await _send(port, _POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n"),
        await _send(port, _POST + b"Content-Length: -5\r\n\r\n"),
        await _send(port, _POST + b"Transfer-Encoding: chunked\r\n\r\n", more=chunk),
        await _send(
            port, _POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n", more=zeros
        ),
        await _send(port, _POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        await _send(
            port, _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        await _send(port, _POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"),
    ]
    return Counter(found)


async def half_bodies(port: int) -> Counter[str]:
    """Clients that hang up in the middle of a body."""
    for _ in range(SOME):
        _, writer = await _connect(port)
        writer.write(_POST + b"Content-Length: 50000\r\n\r\nabc")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.transport.abort()
    return Counter({"hung up": SOME})


async def tricks(port: int) -> Counter[str]:
    """Paths that lead elsewhere, and heads that are none."""
    paths = (
        *(b"/page/../app.py", b"/page/..%2fapp.py", b"/page/%2e%2e/app.py", b"/page/..%5capp.py"),
        *(b"/page/%252e%252e%252fapp.py", b"//page//..//..//etc/passwd", b"/page//etc/passwd"),
        *(b"/page/main.js%00.png", b"/page/\xff", b"/" + b"a" * 10_000, b"/" + b"a/" * 4000),
        *(
            b"/v1/segment/..%2f..%2fetc%2fpasswd",
            b"/v1/segment/%00",
            b"/v1/segment/" + b"%41" * 900,
        ),
        *(b"http://169.254.169.254/", b"*", b"", b"/session/..%2f..%2f", b"/page/texts"),
    )
    heads = [b"GET " + path + b" HTTP/1.1\r\n" + _HOST + _KNOWN + b"\r\n" for path in paths]
    heads += [
        *(
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
            b"\0" * 100,
            b"GET /\r\n\r\n",
            b"\r\n" * 9000,
        ),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # without a host
        b"GET / HTTP/1.1\r\n" + _HOST + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _HOST + b"X: a\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + _HOST + b"X: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _HOST + b"X : a\r\n\r\n",
        b"G\xc3\x89T / HTTP/1.1\r\n" + _HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + _HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ]
    return Counter([await _send(port, head) for head in heads])


async def guesses(port: int) -> Counter[str]:
    """1,000 wrong tokens, some of them nearly right."""
    guesses = [TOKEN[: n % 16] + f"{n:016X}"[n % 16 :] for n in range(1, MANY + 1)]
    found = Counter[str]()
    for guess in guesses:
        head = b"GET /v1/models HTTP/1.1\r\n" + _HOST + b"Authorization: Bearer " + guess.encode()
        found[await _send(port, head + b"\r\n\r\n")] += 1
    return found


async def files(port: int, count: int = 1500) -> Counter[str]:
    """Pictures, DICOM, NIfTI and zips, most of them damaged."""
    found = Counter[str]()
    kinds = (b"application/json", b"image/png", b"application/dicom", b"application/gzip")
    for number in range(count):
        random = Random(f"hostile {number}")
        content, kind = body(random), random.choice(kinds)
        head = b"Accept: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(content))
        found[await _send(port, _POST + head + content, seconds=90)] += 1
    return found


Attack = Callable[[int], Coroutine[Any, Any, Counter[str]]]
ATTACKS: tuple[Attack, ...] = (
    *(silence, half_heads, dripping_heads, dripping_bodies, without_reading),
    *(too_much, half_bodies, tricks, guesses, files),
)
