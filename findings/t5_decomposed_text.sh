#!/usr/bin/env bash
# transformers' T5Tokenizer normalises decomposed text (Unicode NFD, as macOS writes file names) otherwise than
# SentencePiece does with the same spiece.model.
#
# Seen with transformers 5.17.0 (tokenizers 0.23.3) and sentencepiece 0.2.1, on a unigram model with SentencePiece's
# default normalisation (nmt_nfkc, that of T5):
#   U+1112 U+1161 U+11AB     SentencePiece composes the syllable and finds its piece; transformers gives <unk>.
#   e U+0301 U+0323          SentencePiece keeps the dot below as <unk>; transformers drops it without a trace.
# The Precompiled normaliser of tokenizers looks up grapheme clusters: one of more than five bytes is never composed,
# and a shorter one is replaced by what its beginning maps to. Composing captions first (NFC) avoids both.
#
# Prints both tokenizations and exits with 1 if they are no longer as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  transformers==5.17.0 tokenizers==0.23.3 sentencepiece==0.2.1 protobuf==7.36.2
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python - <<'PY'
import json, pathlib, sys
import sentencepiece
from transformers import T5Tokenizer

texts = ["한국어 문장", "한 마리", "a café é ẹ on the table"] * 50
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(texts), model_prefix="spiece", vocab_size=60, hard_vocab_limit=False,
    pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2)
pathlib.Path("tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer", "extra_ids": 0}))
library = sentencepiece.SentencePieceProcessor(model_file="spiece.model")
transformers = T5Tokenizer.from_pretrained(".")

seen = {}
for text in ("\u1112\u1161\u11ab", "e\u0301\u0323"):
    ours = [library.id_to_piece(i) for i in library.encode(text)]
    theirs = transformers.convert_ids_to_tokens(transformers(text).input_ids)[:-1]
    seen[text] = (ours, theirs)
    print(f"{ascii(text)}: sentencepiece {ours}, transformers {theirs}")
syllable, mark = seen["\u1112\u1161\u11ab"], seen["e\u0301\u0323"]
same = "<unk>" not in syllable[0] and "<unk>" in syllable[1] and "<unk>" in mark[0] and "<unk>" not in mark[1]
sys.exit(0 if same else 1)
PY
