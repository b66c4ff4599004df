package dev.fathom.text;

/// The roles a token can have, with the keys that name them.
enum Role {
  BOS("bos_token"),
  EOS("eos_token"),
  UNK("unk_token"),
  PAD("pad_token"),
  MASK("mask_token"),
  CLS("cls_token"),
  SEP("sep_token");

  /// The key in tokenizer_config.json and special_tokens_map.json; config.json appends `_id`.
  final String key;

  Role(String key) {
    this.key = key;
  }
}
