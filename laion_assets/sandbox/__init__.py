"""A small internet on loopback: a metadata hub and an image web with real faults.

Everything follows from a seed, and the truth about every URL is known:

    with start_sandbox(SandboxSpec(parts=2, rows_per_part=500, port=0)) as sandbox:
        os.environ.update(sandbox.environment)
        sandbox.truth()

What goes wrong on its web is one table in ``faults``, what is broken in its metadata one in ``defects``.
"""

from laion_assets.sandbox.process import serve_sandbox, start_sandbox
from laion_assets.sandbox.running import RunningSandbox
from laion_assets.sandbox.spec import SandboxError, SandboxSpec

__all__ = ["RunningSandbox", "SandboxError", "SandboxSpec", "serve_sandbox", "start_sandbox"]
