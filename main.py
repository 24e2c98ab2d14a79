"""Start the server: the same as `qwen3-asr-realtime serve`."""

import sys

from qwen3_asr_realtime.cli import main

if __name__ == "__main__":  # vLLM's processes import this file once more
    sys.argv[1:1] = ["serve"]
    main()
