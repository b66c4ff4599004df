"""Makes hard cases for the tokenizer tests with the reference implementations.

    pip install tokenizers sentencepiece
    python make_tokenizer_goldens.py FIXTURES

FIXTURES is the directory core/src/test/resources/fixtures/tokenizers. Trains a few more tiny SentencePiece
models (other flags than the ones there: charsmap, extra whitespace, user-defined symbols, no byte fallback,
suffix) and writes hard.json for every tokenizer: ids, pieces, offsets in code points, decoded text.
"""
import io
import json
import pathlib
import random
import sys

import sentencepiece as spm
from tokenizers import Tokenizer

root = pathlib.Path(sys.argv[1])

TEXTS = [
    "\u0000nul\u0000inside\u0000", "👨‍👩‍👧‍👦🏳️‍🌈 joined", "e\u0301\u0302 a\u0308 combining", "ﬁﬂ ½ ² Ⅷ ㎏ ﷺ ｆｕｌｌ ｗｉｄｔｈ",
    "Съешь же ещё этих мягких французских булок", "日本語の文章です。中文也有。한국어도", "\r\n\r\n\n\r\t\t \u00a0\u2003\u3000 x",
    "a" * 300, " " * 70 + "end", "\n" * 9, "ab" * 100, "\U0001F600" * 20, "!" * 64, "1" * 33 + " 22 333 4444",
    "<s>literal</s><unk><pad> <0x41> \u2581under\u2581score\u2581", "<|endoftext|><|begin_of_text|>[CLS][MASK] x [SEP]",
    "I'LL we'Ve IT'S 'twas ''quoted''", "tab\tsep\tvalues\n1\t2\t3", "ЁЖИК İstanbul ǅ ß ẞ ŉ", "\ufeffbom and \ufffd replacement",
    "\u202eright to left\u202c عربى हिन्दी ไทย ქართული", "x=1;y=2;if(x<y){return(x+y)*3.5e-10;}", "http://a.b/c?d=%20&e[]=1#f_g-h~i",
    "🇩🇪🇫🇷 flags ☃ ❤️ ♥", "\U00010348\U0001D11E\U000E0041", "mixed \u200bzero\u200cwidth\u200d \u00adsoft", "   ", "\u3000", "▁", "▁▁ ▁a",
    "a b  c   d    e", " a ", "  lead and trail  ", "The quick brown fox jumps over the lazy dog. 0123456789",
]


def random_texts(seed, count):
    rng = random.Random(seed)
    alphabets = ["abcdefgh the of and ", "  \t\n\r\u00a0", "éüßñçøåłž", "абвгдежз", "中文日本語", "🙂🚀👩\u200d👧", "0123456789.,", "!?'\"()[]{}<>|_▁",
                 "\u0301\u0308\ufe0f\u200d", "ﬁ½²㎏Ａ"]
    return ["".join(rng.choice(rng.choice(alphabets)) for _ in range(rng.randrange(1, 40))) for _ in range(count)]


ALL = TEXTS + random_texts(7, 60)

CORPUS = """the quick brown fox jumps over the lazy dog and the cat sat on the mat in the city of light
she sells sea shells by the sea shore while he reads about history science and the weather
numbers 1 2 3 10 20 300 4000 and dates 2024 are here with punctuation, semicolons; and (brackets)
naïve café Größe привет мир как дела 北京 東京 中文 日本語 the end of the corpus is near
""".strip().splitlines() * 20


def train(name, **flags):
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=model, minloglevel=2, num_threads=1,
                                   hard_vocab_limit=False, **flags)
    (root / name).mkdir(exist_ok=True)
    (root / name / "tokenizer.model").write_bytes(model.getvalue())


def sentencepiece_case(sp, text):
    encoded = sp.encode(text, return_type="proto")  # offsets in UTF-8 bytes
    utf8 = text.encode()
    ids = [p.id for p in encoded.pieces]
    return {"text": text, "ids": ids, "tokens": [sp.id_to_piece(i) for i in ids],
            "offsets_code_points": [[len(utf8[:o].decode()) for o in (p.begin, p.end)] for p in encoded.pieces], "decoded": sp.decode(ids)}


def tokenizers_case(tok, text):
    e = tok.encode(text)
    return {"text": text, "ids": e.ids, "tokens": e.tokens, "offsets_code_points": [list(o) for o in e.offsets],
            "decoded": tok.decode(e.ids, skip_special_tokens=False), "decoded_without_special": tok.decode(e.ids)}


def write(path, cases):
    with open(path, "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=True, separators=(",", ":")) for c in cases) + "\n]\n")


RULES = """41\t61
DF\t73 73
FB01\t66 69
65 301\tE9
1F1E9 1F1EA\t44 45
A\t20
A0\t20 20
200B\t
"""

if "--keep-models" not in sys.argv:
    rules = root / "rules.tsv"
    rules.write_text(RULES)
    train("sentencepiece_nfkc_unigram", model_type="unigram", vocab_size=450, normalization_rule_name="nmt_nfkc", character_coverage=0.98,
          user_defined_symbols=["<sep>", "qq", "▁▁"])
    train("sentencepiece_rules_bpe", model_type="bpe", vocab_size=560, normalization_rule_tsv=str(rules), byte_fallback=True,
          character_coverage=0.98, user_defined_symbols=["<sep>", "  "], remove_extra_whitespaces=True)
    train("sentencepiece_suffix_bpe", model_type="bpe", vocab_size=300, normalization_rule_name="identity", treat_whitespace_as_suffix=True,
          character_coverage=0.98, remove_extra_whitespaces=False, allow_whitespace_only_pieces=True)
    train("sentencepiece_noprefix_unigram", model_type="unigram", vocab_size=560, normalization_rule_name="identity", add_dummy_prefix=False,
          character_coverage=0.98, remove_extra_whitespaces=False, byte_fallback=True, control_symbols=["<ctl>"])
    rules.unlink()

EXTRA = ["x<sep>y qq  zz <sep> ", "qqq<sep><sep>", "<ctl>a"]
for directory in sorted(root.iterdir()):
    model, file = directory / "tokenizer.model", directory / "tokenizer.json"
    if model.exists():
        sp = spm.SentencePieceProcessor(model_file=str(model))
        cases = [sentencepiece_case(sp, t) for t in ALL + EXTRA]
        rng = random.Random(11)
        decodes = [[rng.randrange(sp.get_piece_size()) for _ in range(rng.randrange(1, 12))] for _ in range(60)]
        write(directory / "decode.json", [{"ids": d, "decoded": sp.decode(d)} for d in decodes])
    elif file.exists():
        tok = Tokenizer.from_file(str(file))
        cases = [tokenizers_case(tok, t) for t in ALL + EXTRA]
    else:
        continue
    write(directory / "hard.json", cases)
