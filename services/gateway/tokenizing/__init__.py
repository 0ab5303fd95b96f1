"""`/tokenize`, `/detokenize`, `/tokenizer_info`: as clients of vLLM and llama.cpp count tokens before they ask."""
