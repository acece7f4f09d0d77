"""celery over redis, as one would use it: `python celery_peer.py URL`. It speaks as peer.mjs does."""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from celery import Celery
from celery.contrib.testing.worker import start_worker

url = sys.argv[1]
answers, sys.stdout = sys.stdout, sys.stderr
app = Celery("work", broker=url, backend=url)
# A task that a worker took is not lost with the worker.
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, worker_hijack_root_logger=False)
lock = threading.Lock()
done_count = 0
first = last = 0.0
over = threading.Event()
wanted = 0
payload = "x" * 60


@app.task(name="work")
def work(us, text):
    return us


def count_done(**_):
    global done_count, first, last
    with lock:
        done_count += 1
        last = time.monotonic()
        if done_count == 1:
            first = last
        if done_count == wanted:
            over.set()


from celery.signals import task_postrun  # noqa: E402

task_postrun.connect(count_done)


def accept(asked):
    begun = time.monotonic()
    until = begun + asked["seconds"]

    def client(_):
        count = 0
        while time.monotonic() < until:
            work.delay(1, payload)
            count += 1
        return count

    with ThreadPoolExecutor(asked["clients"]) as pool:
        count = sum(pool.map(client, range(asked["clients"])))
    return {"count": count, "seconds": time.monotonic() - begun}


def done(asked):
    global done_count, wanted
    app.control.purge()
    done_count, wanted = 0, asked["jobs"]
    over.clear()
    for _ in range(asked["jobs"]):
        work.delay(1, payload)
    with start_worker(app, pool="threads", concurrency=asked["workers"], perform_ping_check=False, loglevel="ERROR"):
        # The start of a worker is left out: from the first end to the last.
        over.wait(asked["seconds"])
        with lock:
            answer = {"count": max(done_count - 1, 0), "seconds": max(last - first, 1e-9)}
    app.control.purge()
    return answer


ways = {"accept": accept, "done": done, "idle": lambda _: {"ms": []}}
app.connection_for_write().ensure_connection(max_retries=3)
print('{"ready":true}', file=answers, flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = ways[asked["do"]](asked)
    except Exception as error:  # told to who asked
        answer = {"error": str(error) or repr(error)}
    print(json.dumps(answer), file=answers, flush=True)
