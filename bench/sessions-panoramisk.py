# One of three in the benchmark sessions: a FastAGI server of another language, Debian's python3-panoramisk. Run as
# `/usr/bin/python3 bench/sessions-panoramisk.py PORT`, ended by SIGTERM.
import asyncio
import sys

from panoramisk.fast_agi import Application


async def work(request):
    await request.send_command('CONTROL STREAM FILE "hello" "0123456789*#" "1000" "x" "x" "x"')
    await request.send_command('SET VARIABLE "DONE" "1"')


async def main():
    application = Application(loop=asyncio.get_running_loop())
    application.add_route('work', work)
    server = await asyncio.start_server(application.handler, '127.0.0.1', int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


asyncio.run(main())
