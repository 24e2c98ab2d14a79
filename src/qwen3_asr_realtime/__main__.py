"""`python -m qwen3_asr_realtime` is the console program."""

from qwen3_asr_realtime.cli import main

main()
