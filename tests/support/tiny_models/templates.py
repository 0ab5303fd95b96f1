"""Chat templates in the manner of known families, cut down to what makes each of them special."""

# ChatML, as Qwen2.5 writes it: a turn is the same whether it is the last or past.
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Qwen2.5 with functions: told in the first message, called between <tool_call> tags, results in the user's turn.
CALLING_CHATML = (
    "{% if tools %}<|im_start|>system\n<tools>"
    "{% for tool in tools %}{{ '\n' }}{{ tool | tojson }}{% endfor %}{{ '\n' }}</tools><|im_end|>\n{% endif %}"
    "{% for message in messages %}"
    "{% if message.role == 'tool' %}<|im_start|>user\n"
    "<tool_response>\n{{ message.content }}\n</tool_response><|im_end|>\n"
    "{% else %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% for call in message.tool_calls %}{{ '\n' }}<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "\n</tool_call>{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Qwen3: the last answer gets an empty thought, past ones lose theirs.
THINKING_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}"
    "{% set answer = message.content.split('</think>')[-1].lstrip('\n') %}"
    "{% if loop.last and '</think>' in message.content %}<think>\n"
    "{{ message.content.split('</think>')[0].split('<think>')[-1].strip('\n') }}\n</think>\n\n{{ answer }}"
    "{% elif loop.last %}<think>\n\n</think>\n\n{{ answer }}"
    "{% else %}{{ answer }}{% endif %}"
    "{% else %}{{ message.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
# DeepSeek R1: the prompt opens a thought, and thoughts are left out of what was said.
OPENED_THOUGHT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}{{ message.content.split('</think>')[-1] }}"
    "{% else %}{{ message.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
# OLMo 2: the template writes the beginning-of-text token, and the tokenizer adds none.
OWN_BEGIN = "{{ bos_token }}" + CHATML
# Llama 2: instructions in brackets, the end-of-text token after each answer.
BRACKETS = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}[INST] {{ message.content }} [/INST]"
    "{% elif message.role == 'assistant' %} {{ message.content }} {{ eos_token }}"
    "{% else %}{{ raise_exception('system turns are not known') }}{% endif %}{% endfor %}"
)
# Gemma: the answer's role is `model`, and a turn ends with a token that is not the tokenizer's end-of-text.
TURNS = (
    "{{ bos_token }}{% for message in messages %}"
    "(start){{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ message.content | trim }}]\n{% endfor %}{% if add_generation_prompt %}(start)model\n{% endif %}"
)
