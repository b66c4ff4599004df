package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.tensor.DType;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SiteAddressTest {
  private static TinyModel llama;
  private static TinyModel neox;

  @BeforeAll
  static void make() {
    llama = TinyModels.llama(DType.F32);
    neox = TinyModels.neox(DType.F32);
  }

  @AfterAll
  static void free() {
    llama.close();
    neox.close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "resid_post.10",
        "z.10.h7",
        "mlp_act.10.n4311",
        "attn_out.4-9@last",
        "resid_post.all@subject",
        "resid_pre.late:4@subject.last",
        "mlp_out.-1@-2",
        "k.0.h1@3-5",
        "pattern.2.h0@-4--2",
        "norm_scale.attn.3",
        "norm_scale.final@0",
        "logits@last",
        "embed"
      })
  void canonicalTextIsReadBackAsItIs(String text) {
    SiteAddress address = SiteAddress.parse(text);
    assertThat(address).hasToString(text);
    assertThat(SiteAddress.parse(address.toString())).isEqualTo(address);
  }

  @ParameterizedTest
  @CsvSource({
    "resid_post.1@all, resid_post.1",
    "resid_post.1@-1, resid_post.1@last",
    "result.2.h1, head_out.2.h1",
    "' z.02.h03 ', z.2.h3",
    "z.1@4-4, z.1@4"
  })
  void otherSpellingsBecomeCanonical(String text, String canonical) {
    assertThat(SiteAddress.parse(text)).hasToString(canonical);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "resid_pos.1 | did you mean resid_post?",
        "residpost.1 | did you mean resid_post?",
        "norm_scale.atn.1 | did you mean norm_scale.attn?",
        "banana.3 | only embed, pos_embed",
        "resid_post | needs a layer: resid_post.0, resid_post.-1, resid_post.4-9, resid_post.all or"
            + " resid_post.late:4",
        "logits.3 | logits has no layer",
        "z.x | 'x' is not a layer",
        "z. | '' is not a layer",
        "z.9-4 | write 4-9",
        "z.late:0 | names no layer",
        "z.1.7 | neither a head such as h7",
        "z.1.n3 | z has no neurons: mlp_gate, mlp_up and mlp_act have",
        "attn_out.1.h3 | one head's part is head_out",
        "resid_post.1.h3 | has no heads: q, k, v",
        "z.1.h2.h3 | too many parts",
        "z.1@ | '' is not a position",
        "z.1@first | 'first' is not a position",
        "z.1@5-3 | goes upwards",
        "z.1@2@3 | more than one @",
        "z.99999999999 | is not a layer",
        "blocks.4.hook_mlp_out | another tool's name for mlp_out.4",
        "\"\" | there is no site ''",
      })
  void whatIsWrongIsSaidWithWhatWouldBeRight(String text, String message) {
    assertThatThrownBy(() -> SiteAddress.parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("'" + text + "'")
        .hasMessageContaining(message);
  }

  private static List<String> expand(String text, TinyModel tiny) {
    return SiteAddress.slices(text, tiny.model()).stream().map(Slice::toString).toList();
  }

  @Test
  void layersAreExpandedOnAModel() {
    assertThat(expand("z.all", llama)).containsExactly("z.0", "z.1", "z.2");
    assertThat(expand("z.1-2@last", llama)).containsExactly("z.1@last", "z.2@last");
    assertThat(expand("z.late:2.h3", llama)).containsExactly("z.1.h3", "z.2.h3");
    assertThat(expand("z.-1", llama)).containsExactly("z.2");
    assertThat(expand("embed,mlp_act.0.n31@2-3, logits@last", llama))
        .containsExactly("embed", "mlp_act.0.n31@2-3", "logits@last");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "z.3 | layers 0 to 2 (-3 to -1 from the end)",
        "z.-4 | layers 0 to 2",
        "z.1-3 | layers 0 to 2",
        "z.late:4 | layers 0 to 2",
        "z.0.h4 | heads h0 to 3",
        "k.0.h2 | key/value heads h0 to 1",
        "mlp_act.0.n32 | neurons n0 to 31",
        "pos_embed | it has no absolute position embedding",
        "z.0@subject | the prompt has no subject",
      })
  void whatAModelLacksIsRefusedWithWhatItHas(String text, String message) {
    assertThatThrownBy(() -> SiteAddress.slices(text, llama.model()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith(text)
        .hasMessageContaining(message);
  }

  @Test
  void aParallelModelRefusesTheStreamBetweenWithTheReasonAndItsOwnSites() {
    assertThatThrownBy(() -> SiteAddress.slices("resid_mid.all", neox.model()))
        .hasMessageContaining("no resid_mid.0: its blocks add attention and MLP in one step")
        .hasMessageContaining("its sites are embed, resid_pre,");
  }

  @Test
  void theSubjectIsWhereThePromptHasIt() {
    var subject = new PositionSpan(3, 5);
    assertThat(SiteAddress.parse("z.1@subject").slices(llama.model(), subject).getFirst())
        .hasToString("z.1@3-5");
    assertThat(SiteAddress.parse("z.1@subject.last").slices(llama.model(), subject).getFirst())
        .hasToString("z.1@5");
    assertThat(SiteAddress.parse("z.1@subject").namesSubject()).isTrue();
    assertThat(SiteAddress.parse("z.1@last").namesSubject()).isFalse();
  }

  @Test
  void anyTextIsAnAddressThatRoundTripsOrIsRefused() {
    var random = new Random(5);
    String letters = "resid_postz.hn0123456789-@:,all late";
    for (int trial = 0; trial < 20_000; trial++) {
      var made = new StringBuilder("z.");
      for (int i = random.nextInt(12); i >= 0; i--) {
        made.append(letters.charAt(random.nextInt(letters.length())));
      }
      String text = made.toString();
      try {
        SiteAddress address = SiteAddress.parse(text);
        assertThat(SiteAddress.parse(address.toString())).isEqualTo(address);
      } catch (IllegalArgumentException e) {
        assertThat(e).hasMessageContaining(text);
      }
    }
  }
}
