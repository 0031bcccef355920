"""An ordinary FastAPI application: what people put behind a gateway, and what a gateway can break.

Run it with `uvicorn app:app`. `../express/app.js` has the same endpoints, so that one suite drives both.
"""

import asyncio
import hashlib
import json
import os
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import (
    BackgroundTasks,
    FastAPI,
    File,
    Form,
    HTTPException,
    Request,
    Response,
    UploadFile,
    WebSocket,
)
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.middleware.gzip import GZipMiddleware
from starlette.websockets import WebSocketDisconnect

BLOCK = bytes(range(256)) * 256
FILES = Path(tempfile.mkdtemp(prefix="portcullis-fastapi-"))
(FILES / "data.bin").write_bytes(BLOCK)
(FILES / "page.html").write_text("<!doctype html><title>page</title><p>static</p>\n")

# A fixed time, so that the answers of two instances can be compared.
for name in ("data.bin", "page.html"):
    os.utime(FILES / name, (1_700_000_000, 1_700_000_000))


@asynccontextmanager
async def lifespan(_: FastAPI):
    yield
    shutil.rmtree(FILES, ignore_errors=True)


app = FastAPI(title="Portcullis test application", lifespan=lifespan)
app.add_middleware(GZipMiddleware, minimum_size=1000)
app.mount("/static", StaticFiles(directory=FILES), name="static")

gates: dict[str, asyncio.Event] = {}
finished: set[str] = set()


class Item(BaseModel):
    name: str
    price: float
    tags: list[str] = []


def block(length: int):
    """`length` bytes; byte i has the value i mod 256."""
    while length > 0:
        yield BLOCK[:length]
        length -= len(BLOCK)


def gate(name: str) -> asyncio.Event:
    return gates.setdefault(name, asyncio.Event())


@app.get("/")
async def root():
    return {"application": "fastapi"}


@app.api_route("/echo/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def echo(request: Request, path: str):
    body = await request.body()
    return {
        "method": request.method,
        "raw_path": request.scope["raw_path"].decode("latin-1"),
        "query": request.scope["query_string"].decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers.raw],
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


@app.post("/items", status_code=201)
async def create_item(item: Item):
    return item


@app.post("/upload")
async def upload(file: UploadFile = File(), note: str = Form("")):
    digest, size = hashlib.sha256(), 0
    while chunk := await file.read(65536):
        digest.update(chunk)
        size += len(chunk)
    return {"filename": file.filename, "note": note, "size": size, "sha256": digest.hexdigest()}


@app.put("/raw")
async def raw(request: Request):
    digest, size = hashlib.sha256(), 0
    async for chunk in request.stream():
        digest.update(chunk)
        size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


@app.api_route("/download/{length}", methods=["GET", "HEAD"])
async def download(length: int):
    return StreamingResponse(
        block(length),
        media_type="application/octet-stream",
        headers={"Content-Length": str(length), "Content-Disposition": 'attachment; filename="data.bin"'},
    )


@app.get("/stream/{length}")
async def stream(length: int):
    return StreamingResponse(block(length), media_type="application/octet-stream")


@app.get("/events/{name}")
async def events(name: str, count: int = 3):
    """Sends one event, and the others only when somebody has posted to `/events/{name}/release`."""

    async def produce():
        for number in range(count):
            if number == 1:
                await gate(name).wait()
            yield f"event: tick\nid: {number}\ndata: {json.dumps({'number': number})}\n\n"

    return StreamingResponse(produce(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


@app.post("/events/{name}/release", status_code=204)
async def release(name: str):
    gate(name).set()


@app.get("/cookies")
async def cookies(request: Request):
    return {"cookies": dict(sorted(request.cookies.items()))}


@app.get("/cookies/set")
async def set_cookies(request: Request):
    response = Response(status_code=204)
    for name, value in request.query_params.multi_items():
        response.set_cookie(name, value, max_age=3600, httponly=True, samesite="lax")
    response.set_cookie("plain", "1")
    return response


@app.get("/redirect/{status}")
async def redirect(request: Request, status: int, absolute: bool = False):
    url = str(request.url_for("root")) if absolute else "/?from=redirect"
    return RedirectResponse(url, status_code=status)


@app.get("/slash/")
async def slash():
    return {"slash": True}


@app.get("/large")
async def large():
    return {"rows": [{"number": number, "text": "some text that compresses well"} for number in range(500)]}


@app.get("/status/{status}")
async def status(status: int):
    if status in (204, 304):
        return Response(status_code=status, headers={"ETag": '"fixed"'})
    if status == 500:
        raise RuntimeError("an error that nobody catches")
    if status >= 400:
        raise HTTPException(status, detail=f"refused with {status}", headers={"X-Reason": "asked"})
    return PlainTextResponse("as asked\n", status_code=status)


@app.post("/background/{name}", status_code=202)
async def background(name: str, tasks: BackgroundTasks):
    tasks.add_task(finished.add, name)
    return {"accepted": name}


@app.get("/background/{name}")
async def is_finished(name: str):
    return {"finished": name in finished}


@app.get("/headers/many")
async def many_headers():
    response = PlainTextResponse("many\n")
    for number in range(40):
        response.headers.append(f"X-Many-{number}", "v" * 100)
    response.headers.append("X-Twice", "one")
    response.headers.append("X-Twice", "two")
    response.headers.append("Link", '</style.css>; rel="preload"')
    return response


@app.websocket("/ws")
async def websocket(socket: WebSocket):
    """Echoes; the text `bye` is answered by a close with a code and a reason."""
    offered = socket.scope["subprotocols"]
    await socket.accept(subprotocol="echo" if "echo" in offered else None)
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == "bye":
                await socket.close(code=4001, reason="as asked")
                return
            if message.get("text") is not None:
                await socket.send_text(message["text"])
            else:
                await socket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        return


@app.websocket("/ws/about")
async def about(socket: WebSocket):
    """Says what the handshake carried."""
    await socket.accept()
    origin = socket.headers.get("origin")
    await socket.send_json({"query": dict(socket.query_params), "cookies": socket.cookies, "origin": origin})
    await socket.close()


@app.websocket("/ws/refused")
async def refused(socket: WebSocket):
    """Refuses the handshake: 403, no WebSocket."""
    await socket.close()
