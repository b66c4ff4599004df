package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// The verbs `attribute` and `neurons`, on the bundled model and where they are misused.
class AttributeCommandTest {
  private static void isMisuse(String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).isEqualTo(Main.MISUSED);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void whatDoesNotExistIsRefusedBeforeTheModelIsOpened() {
    isMisuse("There is no method 'magic'", "attribute", "-m", "nowhere", "x", "--method", "magic");
    isMisuse("Nothing called 'air'", "attribute", "-m", "nowhere", "x", "--filler", "air");
    isMisuse("leave out the prompt", "neurons", "-m", "nowhere", "--layer", "1", "x");
    isMisuse("--neuron needs --layer", "neurons", "-m", "nowhere", "x", "--neuron", "3");
    isMisuse("Give a PROMPT, or --layer", "neurons", "-m", "nowhere");
  }

  @Test
  void severalMethodsAreComparedSideBySide() {
    var terminal = FakeTerminal.piped();
    int exit =
        terminal.run(
            "attribute", "Mira lives in", "--method", "saliency,occlusion,shap", "--faithfulness");
    assertThat(exit).as(terminal.err()).isEqualTo(Main.DONE);
    assertThat(terminal.out())
        .contains("Do the methods agree?", "exact, over all", "Are the scores faithful?", "random");
  }
}
