package dev.fathom.evaluate;

import dev.fathom.model.Attention;
import dev.fathom.model.Block;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Linear;
import dev.fathom.model.ParallelBlock;
import dev.fathom.model.Pass;
import dev.fathom.model.PostNormBlock;
import dev.fathom.model.SandwichBlock;
import dev.fathom.model.SequentialBlock;
import dev.fathom.model.Site;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;

/// Whether the activations of a model add up as their names say, on this checkpoint and these
/// tokens:
///
/// - what the sublayers add is the whole change of the stream, in each block order's own form;
/// - pattern · v = z, patterns sum to 1 and look neither ahead nor beyond the window;
/// - W_out · mlp_act + bias = mlp_raw; heads + bias = attn_raw;
/// - watching a block (which computes attention in the open) changes nothing;
/// - the head applied to the last resid_post is the logits.
///
/// A gap above its tolerance means that some analysis of this model would be wrong. Costs two
/// forwards; holds one layer's activations at a time, the largest of which is the pattern `[heads,
/// tokens, tokens]`.
public final class Invariants {
  private Invariants() {}

  /// One identity at one site.
  ///
  /// @param name the identity in words
  /// @param site the side of it that the model computed
  /// @param gap largest absolute difference
  /// @param tolerance largest gap that rounding explains: relative to the largest absolute value
  public record Check(String name, Site site, double gap, double tolerance) {
    /// False also when the gap is not a number.
    public boolean passed() {
      return gap <= tolerance;
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT,
          "%s %-22s %s: largest gap %.2e, tolerance %.2e",
          passed() ? "ok  " : "FAIL",
          site,
          name,
          gap,
          tolerance);
    }
  }

  /// Every identity at every layer, over one row of token ids.
  ///
  /// @throws IllegalArgumentException if `ids` is empty, too long, or not in the vocabulary
  public static List<Check> check(Transformer model, int[] ids) {
    if (ids.length == 0) {
      throw new IllegalArgumentException("checking a model needs at least one token");
    }
    return new Run(model, Layout.single(ids.length)).over(ids);
  }

  private static final class Run {
    private final Transformer model;
    private final Layout layout;
    private final double relative;
    private final List<Check> checks = new ArrayList<>();

    Run(Transformer model, Layout layout) {
      this.model = model;
      this.layout = layout;
      this.relative =
          switch (model.card().dtype()) {
            case F64 -> 1e-9;
            case BF16, F16 -> 3e-2;
            default -> 1e-4;
          };
    }

    List<Check> over(int[] ids) {
      try (var scope = Scope.withoutGradients()) {
        Pass plain = Pass.over(layout);
        Tensor x = model.embed(Tensor.of(ids, ids.length), plain);
        for (int layer = 0; layer < model.layers(); layer++) {
          Tensor next = model.block(layer, x, plain);
          block(layer, x, next);
          scope.release(x);
          x = next;
        }
        compare(
            "the head of the last resid_post is the logits",
            Site.of(Kind.LOGITS),
            model.unembed(x, plain),
            model.head().of(x));
      }
      return List.copyOf(checks);
    }

    private void block(int layer, Tensor x, Tensor unwatched) {
      try (var scope = Scope.open()) {
        var sites = new TreeSet<Site>();
        for (Kind kind :
            List.of(
                Kind.RESID_PRE,
                Kind.V,
                Kind.PATTERN,
                Kind.Z,
                Kind.ATTN_RAW,
                Kind.ATTN_OUT,
                Kind.RESID_MID,
                Kind.MLP_ACT,
                Kind.MLP_RAW,
                Kind.MLP_OUT)) {
          if (model.refusal(Site.of(kind, layer)).isEmpty()) {
            sites.add(Site.of(kind, layer));
          }
        }
        Map<Kind, Tensor> seen = new EnumMap<>(Kind.class);
        var tap = Taps.capture(sites, (site, value, _) -> seen.put(site.kind(), scope.keep(value)));
        Tensor watched = model.block(layer, x, Pass.over(layout).with(tap));
        var values = new Values(layer, seen);
        compare("watching changes nothing", Site.of(Kind.RESID_POST, layer), unwatched, watched);
        stream(values, model.blocks().get(layer), watched);
        attention(values, model.blocks().get(layer).attention());
        Linear out = model.blocks().get(layer).mlp().out();
        compare(
            "W_out mlp_act + bias = mlp_raw",
            Site.of(Kind.MLP_RAW, layer),
            values.of(Kind.MLP_RAW),
            plus(values.of(Kind.MLP_ACT).matmul(out.weight().values().transpose(0, 1)), out));
      }
    }

    /// What one watched block showed.
    private record Values(int layer, Map<Kind, Tensor> seen) {
      Tensor of(Kind kind) {
        return Objects.requireNonNull(seen.get(kind));
      }
    }

    private void stream(Values at, Block block, Tensor post) {
      Site postSite = Site.of(Kind.RESID_POST, at.layer);
      Site midSite = Site.of(Kind.RESID_MID, at.layer);
      Tensor pre = at.of(Kind.RESID_PRE);
      Tensor afterAttention = pre.add(at.of(Kind.ATTN_OUT));
      switch (block) {
        case SequentialBlock b -> {
          sums(at, midSite, afterAttention, postSite, post);
          added(at, Kind.ATTN_OUT, at.of(Kind.ATTN_RAW).mul(b.multiplier()));
          added(at, Kind.MLP_OUT, at.of(Kind.MLP_RAW).mul(b.multiplier()));
        }
        case SandwichBlock b -> {
          sums(at, midSite, afterAttention, postSite, post);
          added(at, Kind.ATTN_OUT, b.post1().of(at.of(Kind.ATTN_RAW)));
          added(at, Kind.MLP_OUT, b.post2().of(at.of(Kind.MLP_RAW)));
        }
        case ParallelBlock _ -> {
          compare(
              "resid_post = resid_pre + attn_out + mlp_out",
              postSite,
              post,
              afterAttention.add(at.of(Kind.MLP_OUT)));
          added(at, Kind.ATTN_OUT, at.of(Kind.ATTN_RAW));
          added(at, Kind.MLP_OUT, at.of(Kind.MLP_RAW));
        }
        case PostNormBlock b -> {
          Tensor mid = at.of(Kind.RESID_MID);
          compare(
              "resid_mid = norm(resid_pre + attn_out)", midSite, mid, b.norm1().of(afterAttention));
          compare(
              "resid_post = norm(resid_mid + mlp_out)",
              postSite,
              post,
              b.norm2().of(mid.add(at.of(Kind.MLP_OUT))));
          added(at, Kind.ATTN_OUT, at.of(Kind.ATTN_RAW));
          added(at, Kind.MLP_OUT, at.of(Kind.MLP_RAW));
        }
      }
    }

    private void sums(Values at, Site midSite, Tensor mid, Site postSite, Tensor post) {
      compare("resid_mid = resid_pre + attn_out", midSite, at.of(Kind.RESID_MID), mid);
      compare(
          "resid_post = resid_pre + attn_out + mlp_out",
          postSite,
          post,
          mid.add(at.of(Kind.MLP_OUT)));
    }

    private void added(Values at, Kind kind, Tensor expected) {
      compare(
          "what is added is what the module returns, normed and multiplied",
          Site.of(kind, at.layer),
          at.of(kind),
          expected);
    }

    private void attention(Values at, Attention attention) {
      Tensor pattern = at.of(Kind.PATTERN); // [1, heads, queries, keys]
      Site patternSite = Site.of(Kind.PATTERN, at.layer);
      Tensor sums = pattern.sum(-1, false);
      compare("patterns sum to 1", patternSite, sums, Tensor.full(1, sums.dtype(), sums.shape()));
      Tensor hidden = hidden(attention);
      compare(
          "patterns look neither ahead nor beyond the window",
          patternSite,
          pattern.mul(hidden.to(pattern.dtype())),
          Tensor.zeros(pattern.dtype(), pattern.shape()));

      Tensor v = at.of(Kind.V); // [tokens, kvHeads, width]
      long tokens = v.size(0);
      long each = attention.heads() / attention.kvHeads();
      Tensor perHead =
          v.unsqueeze(2)
              .expand(tokens, attention.kvHeads(), each, attention.width())
              .reshape(tokens, attention.heads(), attention.width())
              .transpose(0, 1); // [heads, keys, width]
      compare(
          "pattern v = z",
          Site.of(Kind.Z, at.layer),
          at.of(Kind.Z),
          pattern.select(0, 0).matmul(perHead).transpose(0, 1));
      compare(
          "head_out summed over heads + bias = attn_raw",
          Site.of(Kind.ATTN_RAW, at.layer),
          at.of(Kind.ATTN_RAW),
          plus(attention.headOut(at.of(Kind.Z)).sum(1, false), attention.out()));
    }

    /// 1 where a query must not look, `[queries, keys]`.
    private Tensor hidden(Attention attention) {
      int n = layout.tokens();
      float[] hidden = new float[n * n];
      for (int q = 0; q < n; q++) {
        for (int k = 0; k < n; k++) {
          boolean ahead = attention.causal() && k > q;
          boolean behind = attention.window() > 0 && q - k >= attention.window();
          hidden[q * n + k] = ahead || behind ? 1 : 0;
        }
      }
      return Tensor.of(hidden, n, n);
    }

    private static Tensor plus(Tensor x, Linear map) {
      return map.bias() == null ? x : x.add(map.bias());
    }

    private void compare(String name, Site site, Tensor found, Tensor expected) {
      try (var _ = Scope.open()) {
        Tensor wide = expected.to(DType.F64);
        double gap = found.to(DType.F64).sub(wide).abs().max().item();
        double size = wide.abs().max().item();
        checks.add(new Check(name, site, gap, relative * Math.max(1, size)));
      }
    }
  }
}
