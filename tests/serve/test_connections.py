"""Clients that keep silent, drip, or do not read: each is ended, and the others are served."""

import asyncio
import resource
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import uvicorn

from bmis.errors import ConfigError
from bmis.serve import body as body_module
from bmis.serve import connection as connection_module
from bmis.serve.connection import Connection, room_for_connections
from bmis.serve.refusals import Refused
from bmis.serve.run import server_config
from bmis.serve.service import Service
from bmis.serve.settings import ServeSettings
from helpers.bodies import SEGMENT, png

HALF = b"GET /health HTTP/1.1\r\nHost: 127"


def post(body):
    """The bytes of a request."""
    head = f"POST {SEGMENT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


@pytest.fixture
def beside(networks, kept):
    """Runs a coroutine of a port beside a service that listens on it; what it gave."""

    async def run(use):
        server = uvicorn.Server(server_config(Service(networks, ServeSettings()), timeout=1))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                return await asyncio.wait_for(use(listening.getsockname()[1], server), 30)
            finally:
                server.should_exit = True
                await serving

    return lambda use: asyncio.run(run(use))


@asynccontextmanager
async def connected(port):
    """The two ends of a connection: what comes, and where to write."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ask(
    port, request=b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
):
    """Send a request and read until the connection ends."""
    async with connected(port) as (reader, writer):
        writer.write(request)
        return await reader.read()


def test_an_answer_is_sent_at_once(beside):
    """Its body does not wait for the acknowledgement of its head."""

    async def look(port, server):
        async with connected(port) as (_, writer):
            writer.write(HALF)
            while not server.server_state.connections:
                await asyncio.sleep(0.01)
            (ours,) = server.server_state.connections
            ends = ours.transport.get_extra_info("socket")
            return ends.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert beside(look)


def test_who_does_not_send_the_head_of_a_request_is_ended(beside, monkeypatch):
    monkeypatch.setattr(connection_module, "_HEAD", 0.3)

    async def drip(port):
        async with connected(port) as (reader, writer):
            for byte in HALF * 100:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)
                if reader.at_eof() or reader.exception():
                    return True
            return False

    async def again(port):
        """A whole request, and then half of one."""
        async with connected(port) as (reader, writer):
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"}")
            writer.write(HALF)
            return await reader.read()

    async def slow_body(port):
        async with connected(port) as (reader, writer):
            request = post(png())
            writer.write(request[:200])
            await asyncio.sleep(0.7)
            writer.write(request[200:])
            return await reader.readuntil(b"\r\n")

    async def use(port, _):
        return await asyncio.gather(
            ask(port, b""), ask(port, HALF), drip(port), again(port), slow_body(port)
        )

    silent, half, dripped, second, slow = beside(use)
    assert silent == b""
    for answer in (half, second):
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"The head of the request did not come in 0.3 seconds." in answer
    assert dripped
    assert slow == b"HTTP/1.1 200 OK\r\n"


def test_a_new_connection_takes_the_place_of_the_one_that_is_silent_for_longest(
    beside, monkeypatch
):
    monkeypatch.setattr(Connection, "most", 3)

    async def use(port, _):
        async with AsyncExitStack() as stack:
            silent = [await stack.enter_async_context(connected(port)) for _ in range(3)]
            answers = [await ask(port) for _ in range(2)]
            await asyncio.sleep(0.05)
            ended = [reader.at_eof() or reader.exception() is not None for reader, _ in silent]
            return answers, ended

    answers, ended = beside(use)
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert ended == [True, False, False]


def test_who_does_not_read_the_answer_is_ended(beside, monkeypatch):
    monkeypatch.setattr(connection_module, "_READ", 0.3)

    async def use(port, server):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", port))
            page = b"GET /page/main.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
            sending = asyncio.create_task(loop.sock_sendall(client, page * 2000))
            await asyncio.sleep(0.2)
            begun = len(server.server_state.tasks)
            while server.server_state.connections:
                await asyncio.sleep(0.05)
            sending.cancel()
            return begun

    assert beside(use) == 1


def test_who_sends_slowly_makes_room_for_others(monkeypatch):
    monkeypatch.setattr(body_module, "_FAIR", 0.1)
    arrivals = body_module.Arrivals(places=2, seconds=60)

    async def arrive(seconds):
        async with arrivals.place():
            await asyncio.sleep(seconds)

    async def use():
        slow = [asyncio.create_task(arrive(50)), asyncio.create_task(arrive(0.4))]
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="all 2 places are taken") as early:
            await arrive(0)
        await asyncio.sleep(0.2)
        await arrive(0)
        return early.value, *await asyncio.gather(*slow, return_exceptions=True)

    early, dropped, patient = asyncio.run(use())
    assert (early.status, dropped.status, patient) == (429, 408, None)
    assert "too slowly, and others wait" in dropped.message


@pytest.mark.parametrize(
    ("limits", "room", "set_to"),
    [
        ((1024, 524_288), connection_module.MOST, 4256),
        ((1024, 2000), 1744, 2000),
        ((1024, resource.RLIM_INFINITY), connection_module.MOST, 4256),
        ((9000, 9000), connection_module.MOST, None),
        ((300, 300), None, 300),
    ],
)
def test_the_limit_on_open_files_is_raised_or_told(monkeypatch, limits, room, set_to):
    kept = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: kept.append(pair[0]))
    if room is None:
        with pytest.raises(ConfigError, match=r"320 open files or more, and may have 300; raise"):
            room_for_connections()
    else:
        assert room_for_connections() == room
    assert kept == ([] if set_to is None else [set_to])
