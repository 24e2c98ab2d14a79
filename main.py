"""Start the server: the same as `qwen3-asr-realtime serve`."""

import sys

from qwen3_asr_realtime.cli import main

sys.argv[1:1] = ["serve"]
main()
