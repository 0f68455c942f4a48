"""The Lowtide operator.

It talks to the API server through the asynchronous client only. The package `kubernetes` imports
its synchronous one too, with the clouds' sign-in libraries: 14 MB of memory and a third of a second
at each start. So it is made here, before anything imports it, without running its `__init__`; what
asks for a module of the synchronous client by name still gets it.
"""

import sys
from importlib.util import find_spec, module_from_spec

if "kubernetes" not in sys.modules and (_found := find_spec("kubernetes")) is not None:
    sys.modules["kubernetes"] = module_from_spec(_found)
