#!/usr/bin/env python3
"""Writes manifest.json for a folder that holds a ColPali model as ONNX graphs, so that Quire can use it.

    scripts/colpali_manifest.py FOLDER                       # Qdrant/colpali-v1.3-fp16, as downloaded
    scripts/colpali_manifest.py FOLDER --graph vision.onnx --question-graph text.onnx
    quire model check FOLDER

Needs nothing but Python. Image size, scaling and the longest question are read from the model's own configuration files;
prompts and token ids are those that FastEmbed uses for ColPali v1.2 and v1.3 and can be changed by options. Every file that
the model needs is hashed, which takes a while for 6 GB. The folder must hold the files themselves: a snapshot of a download
cache consists of links, and ONNX Runtime does not follow links out of a model's folder (copy it with `cp -rL`)."""
import argparse
import hashlib
import json
import os
import sys

FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
# <bos>Describe the image.\n
PAGE_SUFFIX = [2, 50721, 573, 2416, 235265, 108]


def fail(message):
    sys.exit(f"colpali_manifest.py: {message}")


def read(folder, name, needed=True):
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        if needed:
            fail(f"{path} is missing: download every file of the model")
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def entry(folder, name):
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        fail(f"{path} is missing: download every file of the model")
    if os.path.islink(path):
        fail(f"{path} is a link: copy the folder with `cp -rL`, for ONNX Runtime reads no weights through links")
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    return {"sha256": digest.hexdigest(), "bytes": size}


def image_settings(folder):
    config = read(folder, "preprocessor_config.json")
    size = config.get("size", {})
    if "height" not in size or "width" not in size:
        fail(f"preprocessor_config.json has size {size}: height and width are expected, as ColPali has them")
    for key, expected in [("do_resize", True), ("do_rescale", True), ("do_normalize", True)]:
        if config.get(key, expected) is not expected:
            fail(f"preprocessor_config.json has {key} = {config[key]}: Quire knows only {expected} for ColPali")
    if config.get("do_center_crop"):
        fail("preprocessor_config.json asks for a crop, which Quire does not know for ColPali")
    resample = config.get("resample", 3)
    if resample not in FILTERS or resample == 0:
        fail(f"preprocessor_config.json has resample = {resample}, one of 1 to 4 is expected")
    return {"width": size["width"], "height": size["height"], "resize": "pillow-" + FILTERS[resample],
            "rescale": config.get("rescale_factor", 1 / 255), "mean": config["image_mean"], "std": config["image_std"]}


def longest_question(folder):
    """The smaller of two keys, where they hold a real limit: as FastEmbed reads them."""
    config = read(folder, "tokenizer_config.json")
    limits = [config.get(key) for key in ("model_max_length", "max_length")]
    limits = [limit for limit in limits if isinstance(limit, int) and not isinstance(limit, bool) and 0 < limit < 1 << 31]
    return (min(limits) if limits else None), config.get("truncation_side", "right")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder with the model's files; manifest.json is written into it")
    parser.add_argument("--id", default="colpali-v1.3-fp16", help="name of the model [%(default)s]")
    parser.add_argument("--revision", help="revision of the model [from the hashes of its files]")
    parser.add_argument("--license", default="gemma", help="its licence [%(default)s]")
    parser.add_argument("--graph", default="model.onnx", help="graph for pages [%(default)s]")
    parser.add_argument("--question-graph", help="graph for questions [the graph for pages]")
    parser.add_argument("--output", default="0", help="output with the embeddings: a name, or a number [%(default)s]")
    parser.add_argument("--dim", type=int, default=128, help="dimensions of a vector [%(default)s]")
    parser.add_argument("--grid", type=int, nargs=2, default=[32, 32], metavar=("ROWS", "COLS"), help="patches of a page [32 32]")
    parser.add_argument("--image-token", type=int, help="id that stands for a patch [config.json, else 257152]")
    parser.add_argument("--page-suffix", type=int, nargs="*", default=PAGE_SUFFIX, help="ids behind the patches [%(default)s]")
    parser.add_argument("--question-prefix", default="<s>Query: ", help="text before a question [%(default)r]")
    parser.add_argument("--first-ids", type=int, nargs="*", default=[2, 5098],
                        help="ids written over the first ones of a question [%(default)s: <bos>, Query]")
    args = parser.parse_args()
    folder = args.folder

    graphs = [args.graph] + ([args.question_graph] if args.question_graph else [])
    beside = [name for graph in graphs for name in (graph + "_data", graph + ".data") if os.path.exists(os.path.join(folder, name))]
    special = ["special_tokens_map.json"] if os.path.exists(os.path.join(folder, "special_tokens_map.json")) else []
    files = {name: entry(folder, name) for name in sorted({*graphs, *beside, *special, "tokenizer.json"})}
    combined = hashlib.sha256("".join(name + file["sha256"] for name, file in files.items()).encode()).hexdigest()
    limit, side = longest_question(folder)
    config = read(folder, "config.json", needed=False)
    image_token = args.image_token or config.get("image_token_index") or config.get("image_token_id") or 257152
    output = int(args.output) if args.output.isdigit() else args.output
    rows, cols = args.grid
    manifest = {
        "manifest_version": 1, "id": args.id, "revision": args.revision or combined[:12], "family": "colpali", "dim": args.dim,
        "license": args.license, "files": files,
        "page": {"graph": args.graph, "output": output, **image_settings(folder), "rows": rows, "cols": cols, "image_token": image_token,
                 "suffix_ids": args.page_suffix},
        "question": {"graph": args.question_graph or args.graph, "output": output, "tokenizer": "tokenizer.json",
                     **({"special_tokens_map": special[0]} if special else {}), "prefix": args.question_prefix,
                     "augmentation": {"token": "<pad>", "count": 10}, "suffix": "\n", "first_ids": args.first_ids,
                     **({"max_tokens": limit, "truncate": side} if limit else {})},
    }
    path = os.path.join(folder, "manifest.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(manifest, file, ensure_ascii=False, indent=1)
        file.write("\n")
    total = sum(file["bytes"] for file in files.values())
    print(f"{path}: {args.id}@{manifest['revision']}, {len(files)} files, {total} bytes")


if __name__ == "__main__":
    main()
