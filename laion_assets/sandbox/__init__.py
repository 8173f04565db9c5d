"""A small internet on loopback: a metadata hub and an image web with real faults."""

from laion_assets.sandbox.process import serve_sandbox, start_sandbox
from laion_assets.sandbox.running import RunningSandbox
from laion_assets.sandbox.spec import SandboxError, SandboxSpec

__all__ = ["RunningSandbox", "SandboxError", "SandboxSpec", "serve_sandbox", "start_sandbox"]
