"""Uploads a file with the Python tus client: a first part, then the rest by a client that only knows the address."""

import sys

from tusclient import client

endpoint, cookie, origin, subscription, file = sys.argv[1:]
tus = client.TusClient(endpoint, headers={"Cookie": cookie, "Origin": origin})
metadata = {"filename": file.rsplit("/", 1)[-1], "subscription": subscription}
first = tus.uploader(file, metadata=metadata, chunk_size=200_000)
first.upload_chunk()
rest = tus.uploader(file, url=first.url, chunk_size=1_048_576)
assert rest.offset == 200_000, rest.offset
rest.upload()
print(rest.url)
