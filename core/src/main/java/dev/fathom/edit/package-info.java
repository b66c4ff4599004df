/// Edits: changes of a model's weights as values, with a card that says what they belong to.
///
/// Start with [Edit] and its [Change]s; [Edits] applies them as a scope, [EditFile] keeps them,
/// [Merge] writes an ordinary checkpoint, [PeftDirectory] reads and writes LoRA adapters, [Zeroing]
/// makes simple edits.
///
/// ```java
/// Edit edit = Zeroing.of(model, List.of(Slice.of(Kind.MLP_ACT, 3).neurons(17)));
/// try (Transformer edited = Edits.apply(model, List.of(edit.at(0.5)))) {
///   Comparison.run(model, edited, tokenizer, question);
/// }
/// EditFile.write(Path.of("edit.safetensors"), edit);
/// ```
///
/// **The base never changes.** An edited model shares what no edit touches, has its own copy of
/// each matrix that one does, and frees these when it is closed; the base must stay open that long.
/// So undoing an edit is closing it, bit for bit. At scale 0 an edit is left out altogether.
///
/// **Which base.** An edit fits the weights it was made from, told by their fingerprint, whatever
/// the model is called; one made from an edited model needs those edits before it. The fingerprint
/// of an edited model is the SHA-256 of the line `base TAB edit TAB scale LF`, once for each edit
/// in order, where an edit's own is that of its changes (not of its name, card or scale).
///
/// **Addresses.** A change names a tensor of the checkpoint in transformers' spelling and the axes
/// in which it is stored there: a value vector is a column of `down_proj.weight [out, in]` and a
/// row of GPT-2's `c_proj.weight [in, out]`; rows of a fused q/k/v are counted in the whole. A tied
/// head is addressed as the tensor it would be (`lm_head.weight`); editing it gives it a matrix of
/// its own and leaves the embedding alone.
///
/// Nothing here is null unless marked. Edits are immutable and may be shared between threads; an
/// edited model is used like any other.
///
/// ## Format of an edit's file
///
/// A safetensors file whose metadata hold a card of kind `edit` (see `dev.fathom.checkpoint`) and
/// the entry `fathom.edit`, a JSON object `{"format": 1, "changes": […]}`. Changes are made in the
/// order of the list. Each tensor of the file is named by exactly one change; numbers are F32 or
/// F64 and finite.
///
/// | kind | attributes | meaning |
/// |---|---|---|
/// | `rows` | `tensor`, `axis` (0 or 1), `indices` and `values`, names of tensors of this file: I64 `[n]`, and `[n, length of the other axis]` | row (axis 0) or column (axis 1) `indices[j]` of the weight `tensor` becomes `values[j]` |
/// | `bias` | `tensor`, `from`, `values`, the name of a tensor `[m]` | outputs `from` to `from + m` of the map with the weight `tensor` have this bias; other outputs keep theirs, 0 if the map had none |
/// | `lowrank` | `tensor`, `from`, `factor`, `a` and `b`, names of tensors `[rank, in]` and `[m, rank]` | outputs `from` to `from + m` of the map with the weight `tensor` get `factor · b a` added; axes are those of the map, `[out, in]` |
///
/// An unknown kind is refused by name. The scale is not stored: at scale s a number w becomes `w +
/// s (w_edited − w)`, computed in F64, exactly `w_edited` at 1.
///
/// In Python, without Fathom:
///
/// ```python
/// with safe_open("edit.safetensors", "pt") as f:
///     for c in json.loads(f.metadata()["fathom.edit"])["changes"]:
///         if c["kind"] == "rows":
///             state[c["tensor"]].index_copy_(c["axis"], f.get_tensor(c["indices"]),
///                 f.get_tensor(c["values"]) if c["axis"] == 0 else f.get_tensor(c["values"]).T)
/// ```
///
/// ## History
///
/// - 0.1: format 1 with rows, bias and lowrank.
@NullMarked
package dev.fathom.edit;

import org.jspecify.annotations.NullMarked;
