"""Client libraries in environments of their own, where their versions clash with ours; made once with uv and kept.

The pins are in tests/contract/clients/requirements-<name>.txt; other pins make another environment."""

import asyncio
import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PINS = PROJECT_ROOT / "tests" / "contract" / "clients"
CACHE = PROJECT_ROOT / ".cache" / "venvs"
CLIENT_TIMEOUT_SECONDS = 300


def client_python(name: str) -> Path:
    """Return the interpreter of a client's environment, made now if there is none (then it needs the package index)."""
    requirements = PINS / f"requirements-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            make_environment(folder, requirements)
    return folder / "bin" / "python"


def make_environment(folder: Path, requirements: Path) -> None:
    """Install the pins into a fresh environment."""
    uv = [sys.executable, "-m", "uv"]
    python = str(folder / "bin" / "python")
    subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([*uv, "pip", "install", "-q", "--python", python, "-r", str(requirements)], check=True)
    (folder / "complete").touch()


async def run_client(
    name: str, *arguments: str, env: dict[str, str], stdin: str = "", expect_success: bool = True
) -> str:
    """Run `python <arguments>` in a client's environment, with nothing else in its own environment than `env`.
    Returns what it prints."""
    python = await asyncio.to_thread(client_python, name)
    process = await asyncio.create_subprocess_exec(
        str(python),
        *arguments,
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", "NO_PROXY": "*", **env},
        cwd=PINS / "scripts",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(CLIENT_TIMEOUT_SECONDS):
            output, errors = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if expect_success and process.returncode != 0:
        raise AssertionError(f"{name} ended with {process.returncode}:\n{output.decode()}\n{errors.decode()}")
    return output.decode()
