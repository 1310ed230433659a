#!/usr/bin/env python3
"""The official clients of OpenAI and of the Model Context Protocol against a real `quire serve`.

    tests/clients/run.py path/to/quire        (make clients-test makes the environment it needs)

Indexes three of the demo's documents in a folder of its own, starts the service on a free port, and asks it through every door
that the clients have. Nothing goes beyond this machine.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import openai
from mcp import Client, StdioServerParameters

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = ["invoice-2025-0417.pdf", "invoice-HC-88231.pdf", "invoice-bakery-93.pdf"]
QUESTION = "What is the total of the invoice for mutton pies and cheese scones?"
COLLECTION = "documents"
PIPELINE = f"version: 1\nname: invoices\ncollection: {COLLECTION}\nretrieve: {{default_plan: exact}}\n"
TOOLS = ["search", "fetch", "ask", "get_page", "list_documents"]


def check(what, holds, found=""):
    """Says what holds; ends the run with what was found where it does not."""
    if not holds:
        sys.exit(f"FAILED: {what}\n{found}")
    print(f"  ok: {what}")


class Service:
    """`quire serve` over a folder with documents in it."""

    def __init__(self, program, folder):
        self.program = program
        self.environment = {
            **os.environ,
            "QUIRE_DATA_DIR": str(folder / "data"),
            "XDG_CONFIG_HOME": str(folder),
            "QUIRE_MODELS": str(REPOSITORY / "models"),
        }
        self.environment.pop("QUIRE_CONFIG", None)
        self.folder = folder
        (folder / "quire").mkdir()
        (folder / "quire/quire.yaml").write_text("version: 1\npipelines: [invoices.yaml]\n")
        (folder / "quire/invoices.yaml").write_text(PIPELINE)
        paths = [str(REPOSITORY / "demo/documents" / name) for name in DOCUMENTS]
        self.run("ingest", *paths)

    def run(self, *arguments):
        subprocess.run([self.program, *arguments], env=self.environment, cwd=self.folder, check=True, capture_output=True)

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{address}"
        self.log = open(self.folder / "serve.log", "w")
        self.process = subprocess.Popen(
            [self.program, "serve", "--listen", address],
            env=self.environment, cwd=self.folder, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/livez", timeout=5).close()
                return self
            except (urllib.error.URLError, ConnectionError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"FAILED: the service does not start\n{(self.folder / 'serve.log').read_text()}")
                time.sleep(0.1)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            code = self.process.wait(30)
        finally:
            self.log.close()
        check("the service ends by itself when it is told to", code == 0, code)

    def open(self, url):
        """Status and kind of what an address leads to."""
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.status, response.headers["content-type"]


def chat(service):
    """Completions, whole and streamed."""
    print("openai", openai.__version__)
    client = openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)
    # a client always sends a key; while the service has given out none, whoever reaches it is its owner
    models = [model.id for model in client.models.list()]
    check("a collection is a model, and a pipeline is", models == [COLLECTION, "invoices"], models)

    messages = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model=COLLECTION, messages=messages)
    message = whole.choices[0].message
    check("an answer", bool(message.content) and whole.choices[0].finish_reason == "stop", whole)
    citation = message.annotations[0].url_citation
    check("a citation with its place in the text",
          f"]({citation.url}" in message.content[citation.start_index:citation.end_index], message)
    known = whole.model_extra["quire"]["citations"][0]
    check("the cited page with its evidence",
          known["url"] == citation.url and 0 <= known["score"] <= 1 and "snippet" in known and "regions" in known, known)
    status, kind = service.open(citation.url)
    check("the link opens the original", status == 200 and kind == "application/pdf", (status, kind))
    status, kind = service.open(known["image"])
    check("the link opens the page's image", status == 200 and kind.startswith("image/"), (status, kind))

    stream = client.chat.completions.create(
        model=COLLECTION, messages=messages, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    check("a stream says the same", text == message.content, (text, message.content))
    check("first the role", chunks[0].choices[0].delta.role == "assistant", chunks[0])
    check("at last the tokens, without a choice", chunks[-1].choices == [] and chunks[-1].usage is not None, chunks[-1])
    check("why it ended", chunks[-2].choices[0].finish_reason == "stop", chunks[-2])
    annotated = [choice.delta.model_extra["annotations"] for chunk in chunks for choice in chunk.choices
                 if "annotations" in (choice.delta.model_extra or {})]
    check("citations in the stream", annotated[0][0]["url_citation"]["url"] == citation.url, annotated)

    by_pipeline = client.chat.completions.create(model="invoices", messages=messages)
    check("a pipeline answers by its own plan", by_pipeline.model_extra["quire"]["plan"] == "exact", by_pipeline)
    plain = client.chat.completions.create(model=COLLECTION, messages=messages, extra_body={"quire": {"links": False}})
    check("markers without links where they are not wished for", "](" not in plain.choices[0].message.content, plain)
    try:
        client.chat.completions.create(model="none", messages=messages)
        check("an unknown model is an error", False)
    except openai.NotFoundError as error:
        check("an unknown model is an error", error.code == "model_not_found" and COLLECTION in error.message, error)


def stores(service):
    """Vector stores and files."""
    client = openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)
    store = client.vector_stores.list().data[0]
    check("a collection is a vector store", store.id == COLLECTION and store.file_counts.completed == 3, store)
    files = list(client.vector_stores.files.list(COLLECTION, limit=2))
    check("its files, page by page", len(files) == 3 and all(file.status == "completed" for file in files), files)
    found = list(client.vector_stores.search(COLLECTION, query=QUESTION, max_num_results=2))
    check("a search", len(found) == 2 and "bakery" in found[0].filename and found[0].content[0].text, found)
    with open(REPOSITORY / "demo/documents/site-notice.png", "rb") as file:
        uploaded = client.files.create(file=file, purpose="assistants")
    put = client.vector_stores.files.create_and_poll(file_id=uploaded.id, vector_store_id=COLLECTION)
    check("a file is uploaded, put into the store and indexed", put.status == "completed", put)
    check("and deleted", client.files.delete(uploaded.id).deleted)
    made = client.vector_stores.create(name="Invoices 2025")
    paths = [REPOSITORY / "demo/documents" / name for name in DOCUMENTS[:2]]
    batch = client.vector_stores.file_batches.upload_and_poll(made.id, files=paths)
    check("a vector store is made and files are put into it together",
          batch.status == "completed" and batch.file_counts.completed == 2, batch)
    store = client.vector_stores.retrieve(made.id)
    check("it has them", store.file_counts.completed == 2, store)
    found = list(client.vector_stores.search(made.id, query="Which invoice is for Harbour Crane?", max_num_results=1))
    check("they are found in it", len(found) == 1 and found[0].filename in DOCUMENTS[:2], found)
    files = list(client.vector_stores.file_batches.list_files(batch.id, vector_store_id=made.id))
    check("it is listed", made.id in [store.id for store in client.vector_stores.list()])
    check("and deleted", client.vector_stores.delete(made.id).deleted)
    try:
        client.vector_stores.retrieve(made.id)
        check("what was deleted is gone", False)
    except openai.NotFoundError:
        check("what was deleted is gone", True)
    check("its files stay until they are deleted themselves",
          len(files) == 2 and all(client.files.delete(file.id).deleted for file in files), files)
    page = {"type": "eq", "key": "page", "value": 99}
    check("a filter", list(client.vector_stores.search(COLLECTION, query=QUESTION, filters=page)) == [])


async def tools(name, server, mode, version):
    """Every tool, by a client of one of the protocol's ages."""
    async with Client(server, mode=mode) as client:
        check(f"{name}: {version} is spoken", client.protocol_version == version, client.protocol_version)
        listed = [tool.name for tool in (await client.list_tools()).tools]
        check(f"{name}: the tools", listed == TOOLS, listed)
        found = await client.call_tool("search", {"query": QUESTION, "limit": 2})
        results = json.loads(found.content[0].text)["results"]
        check(f"{name}: search", len(results) == 2 and "mutton" in results[0]["text"].lower(), results)
        fetched = json.loads((await client.call_tool("fetch", {"id": results[0]["id"]})).content[0].text)
        check(f"{name}: fetch", fetched["id"] == results[0]["id"] and len(fetched["text"]) > 100, fetched)
        page = await client.call_tool("get_page", {"id": results[0]["id"], "width": 300})
        images = [part for part in page.content if part.type == "image"]
        check(f"{name}: get_page", len(images) == 1 and images[0].mime_type == "image/jpeg", page)
        answer = await client.call_tool("ask", {"question": QUESTION})
        check(f"{name}: ask", "[1]" in answer.content[0].text and answer.structured_content["citations"], answer)
        documents = json.loads((await client.call_tool("list_documents", {})).content[0].text)["documents"]
        check(f"{name}: list_documents", len(documents) == 3, documents)
        wrong = await client.call_tool("search", {"query": QUESTION, "collection": "none"})
        check(f"{name}: an error that says what to do", wrong.is_error and COLLECTION in wrong.content[0].text, wrong)
        view = await client.read_resource("ui://quire/evidence")
        check(f"{name}: the evidence view", view.contents[0].mime_type == "text/html;profile=mcp-app", view)


async def protocols(service):
    for mode, version in [("auto", "2026-07-28"), ("legacy", "2025-11-25")]:
        await tools("http", f"{service.url}/mcp", mode, version)
        forwarding = StdioServerParameters(command=service.program, args=["mcp", "--url", service.url], env=service.environment)
        await tools("quire mcp --url", forwarding, mode, version)


async def alone(service):
    """`quire mcp` over the data folder, which no service holds any more."""
    opening = StdioServerParameters(command=service.program, args=["mcp", "--quiet"], env=service.environment)
    for mode, version in [("auto", "2026-07-28"), ("legacy", "2025-11-25")]:
        await tools("quire mcp", opening, mode, version)


def main():
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        service = Service(program, Path(folder))
        with service:
            chat(service)
            stores(service)
            asyncio.run(protocols(service))
        asyncio.run(alone(service))
    print("every client got what it asked for")


main()
