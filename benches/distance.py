"""A TCP proxy that is far away: what it carries takes its time, and as much is under way at once as TCP would have.

It stands in for netem where the kernel has none. Each way takes the delay. The window of each connection and direction
begins with ten segments, grows with what is acknowledged a round trip later, as in TCP's slow start, up to the 4 MiB that
Linux gives a socket, and falls back when nothing was sent for longer than a round trip and the 200 ms of a retransmission.
Nothing is lost and the line itself is as fast as the machine.
"""

import asyncio
import collections
import threading

FIRST_WINDOW = 10 * 1448
LARGEST_WINDOW = 4 << 20
PIECE = 64 << 10


class Way:
    """One direction of one connection."""

    def __init__(self, reader, writer, delay):
        self.reader, self.writer, self.delay = reader, writer, delay
        self.clock = asyncio.get_running_loop().time
        self.window, self.under_way, self.last_sent = FIRST_WINDOW, 0, self.clock()
        self.acknowledged = asyncio.Event()
        self.sent = asyncio.Event()
        self.queue = collections.deque()

    async def carry(self):
        delivering = asyncio.create_task(self.deliver())
        try:
            while piece := await self.next_piece():
                self.queue.append((self.clock() + self.delay, piece))
                self.sent.set()
            self.queue.append((self.clock() + self.delay, None))
            self.sent.set()
            await delivering
        finally:
            delivering.cancel()

    async def next_piece(self):
        while self.under_way >= self.window:
            self.acknowledged.clear()
            await self.acknowledged.wait()
        piece = await self.reader.read(min(PIECE, self.window - self.under_way))
        now = self.clock()
        if self.under_way == 0 and now - self.last_sent > 2 * self.delay + 0.2:
            self.window = FIRST_WINDOW
        self.last_sent = now
        self.under_way += len(piece)
        return piece

    async def deliver(self):
        while True:
            while not self.queue:
                self.sent.clear()
                await self.sent.wait()
            due, piece = self.queue.popleft()
            await asyncio.sleep(due - self.clock())
            if piece is None:
                self.writer.write_eof()
                return
            self.writer.write(piece)
            await self.writer.drain()
            asyncio.get_running_loop().call_later(self.delay, self.acknowledge, len(piece))

    def acknowledge(self, count):
        self.under_way -= count
        self.window = min(self.window + count, LARGEST_WINDOW)
        self.acknowledged.set()


class Distance:
    """The proxy, in a thread of its own; `port` leads to the target after `delay` seconds each way."""

    def __init__(self, target_port, delay):
        self.target_port, self.delay = target_port, delay
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self.run, args=[ready], daemon=True).start()
        ready.wait()

    def run(self, ready):
        async def serve():
            server = await asyncio.start_server(self.connected, "127.0.0.1", 0, limit=PIECE)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()

        self.loop.run_until_complete(serve())
        self.loop.run_forever()

    async def connected(self, reader, writer):
        # The handshake.
        await asyncio.sleep(2 * self.delay)
        there, back = await asyncio.open_connection("127.0.0.1", self.target_port, limit=PIECE)
        ways = [Way(reader, back, self.delay).carry(), Way(there, writer, self.delay).carry()]
        # A connection that one side gave up is over for the other, too.
        await asyncio.gather(*ways, return_exceptions=True)
        back.close()
        writer.close()
