"""Renders the chat templates of the tests with jinja2, configured as transformers configures it, and keeps the results.

    python chat_templates.py        (needs jinja2 and transformers; writes ../resources/fixtures/chat/*.json)
"""

import datetime
import json
import pathlib
import sys

import jinja2
import transformers
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "resources" / "fixtures" / "chat"
NOW = datetime.datetime(2026, 3, 5, 14, 7, 9)


class FixedTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = FixedTime

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Adds two numbers & returns <sum>.",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"type": "number", "description": "the \"other\""}},
                "required": ["a", "b"],
            },
        },
    },
    {
        "type": "function",
        "function": {"name": "clock", "description": "Zeit – 時間", "parameters": {"type": "object", "properties": {}}},
    },
]

CONTEXT = {
    "xs": [1, 2, 3],
    "x0": 0,
    "d": {"a": 1, "b": {"c": "é"}, "z": None},
    "shadow": {"items": "own", "role": "r"},
    "pairs": [[2, "b"], [1, "c"], [3, "a"]],
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi there"},
        {"role": "assistant", "content": "Hello! 😀"},
        {"role": "user", "content": " Bye "},
    ],
    "tools": TOOLS,
}

SYSTEM = {"role": "system", "content": "  You answer in one line. "}
CONVERSATIONS = {
    "one": [{"role": "user", "content": "Who is a nurse?"}],
    "system": [SYSTEM, {"role": "user", "content": "Who is a nurse? 😀\nAnd why? "}],
    "turns": [
        SYSTEM,
        {"role": "user", "content": "Two plus two?"},
        {"role": "assistant", "content": " Four. 😀 "},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes."},
    ],
    "no system": [
        {"role": "user", "content": "Two plus two?"},
        {"role": "assistant", "content": "<think>\nsums\n</think>\n\nFour."},
        {"role": "user", "content": "Sure?"},
    ],
    "tools": [
        {"role": "user", "content": "What is 2 + 3?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 2, "b": 3}}}],
        },
        {"role": "tool", "content": "5"},
        {"role": "tool", "content": "five"},
        {"role": "assistant", "content": "It is 5.", "reasoning_content": "\nThe tool said so.\n"},
        {"role": "user", "content": "Thanks"},
    ],
    "broken order": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    "unknown role": [{"role": "narrator", "content": "Once"}],
    "empty": [],
}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
VARIANTS = [
    {"add_generation_prompt": False},
    {"add_generation_prompt": True},
    {"add_generation_prompt": True, "enable_thinking": False, "tools": TOOLS},
]


def utf16(text, index):
    return len(text[:index].encode("utf-16-le")) // 2


def conversations():
    cases = []
    for path in sorted((FIXTURES / "templates").glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        for name, messages in CONVERSATIONS.items():
            for variant in VARIANTS:
                case = {"template": path.name, "conversation": name, "variables": SPECIAL | variant}
                try:
                    rendered, spans = chat_template_utils.render_jinja_template(
                        conversations=[messages],
                        chat_template=template,
                        return_assistant_tokens_mask=True,
                        **SPECIAL,
                        **variant,
                    )
                    case["text"] = rendered[0]
                    case["spans"] = [[utf16(rendered[0], i) for i in span] for span in spans[0]]
                except Exception as error:
                    refused = type(error) is jinja2.exceptions.TemplateError  # what raise_exception raises
                    case["refused" if refused else "error"] = str(error) if refused else type(error).__name__
                cases.append(case)
    return {"messages": CONVERSATIONS, "cases": cases}


def expressions():
    cases = []
    for line in (HERE / "chat_expressions.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("# "):
            continue
        template = line.replace("\\r\\n", "\r\n") if line.startswith("a\\r\\n") else line
        if "'" not in line and '"' not in line:
            template = template.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r")
        case = {"template": template}
        try:
            case["text"] = chat_template_utils._compile_jinja_template(template).render(**CONTEXT)
        except Exception as error:
            case["error"] = type(error).__name__
        cases.append(case)
    return {"context": CONTEXT, "cases": cases}


def write(name, value):
    text = json.dumps(value, ensure_ascii=False, indent=1)
    (FIXTURES / name).write_text(text + "\n", encoding="utf-8")
    print(name, len(value["cases"]), "cases", sum("text" in case for case in value["cases"]), "rendered")


if __name__ == "__main__":
    print("jinja2", jinja2.__version__, "transformers", transformers.__version__, "python", sys.version.split()[0])
    write("expressions.json", expressions())
    write("conversations.json", conversations())
