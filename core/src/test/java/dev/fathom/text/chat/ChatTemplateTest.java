package dev.fathom.text.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.fathom.FathomException;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ChatTemplateTest {
  private static final List<Message> HELLO = List.of(new Message("user", "Hello 😀"));

  private static String render(String template) {
    return ChatTemplate.parse(template).render(HELLO, true, Map.of());
  }

  private static void assertFails(String template, String message) {
    assertThatExceptionOfType(FathomException.class)
        .isThrownBy(() -> render(template))
        .withMessage("chat template, line " + message);
  }

  // What is asked for

  @Test
  void theVariablesOfTheCallerAreSeen() {
    var template =
        ChatTemplate.parse("{{ bos_token }}{{ add_generation_prompt }}{{ tools }}{{ n + 1 }}");
    assertThat(template.render(List.of(), false, Map.of("bos_token", "<s>", "n", 41)))
        .isEqualTo("<s>FalseNone42");
  }

  @Test
  void theMessagesOfTheCallWinOverAVariableOfThatName() {
    var template = ChatTemplate.parse("{{ messages | length }}");
    assertThat(template.render(HELLO, false, Map.of("messages", List.of()))).isEqualTo("1");
  }

  @Test
  void theDateComesFromTheClock() {
    var template =
        ChatTemplate.parse("{{ strftime_now('%d %b %Y') }}")
            .withClock(Clock.fixed(Instant.parse("2031-12-31T23:59:59Z"), ZoneOffset.UTC));
    assertThat(template.render(HELLO, false, Map.of())).isEqualTo("31 Dec 2031");
  }

  @Test
  void spansCountCharactersAsJavaDoes() {
    var template =
        ChatTemplate.parse("{{ messages[0].content }}{% generation %}ab{% endgeneration %}!");
    var rendered = template.renderWithSpans(HELLO, false, Map.of());
    var span = rendered.assistantSpans().getFirst();
    assertThat(rendered.text().substring(span.start(), span.end())).isEqualTo("ab");
    assertThat(span).isEqualTo(new ChatTemplate.Span(8, 10));
  }

  @Test
  void spansInsideACapturedBlockAreNotGuessed() {
    var template =
        ChatTemplate.parse("{% set x %}{% generation %}a{% endgeneration %}{% endset %}{{ x }}");
    assertThat(template.render(HELLO, false, Map.of())).isEqualTo("a");
    assertThatExceptionOfType(FathomException.class)
        .isThrownBy(() -> template.renderWithSpans(HELLO, false, Map.of()))
        .withMessageContaining("render without spans");
  }

  @Test
  void aTemplateRendersTheSameEachTime() {
    var template = ChatTemplate.parse(Fixtures.template("llama3.jinja"));
    var variables = Map.of("bos_token", "<s>");
    var first = template.renderWithSpans(HELLO, true, variables);
    assertThat(template.renderWithSpans(HELLO, true, variables)).isEqualTo(first);
  }

  @Test
  void theVariablesOfTheCallerStayAsTheyAre() {
    var list = new ArrayList<>(List.of(1, 2));
    var template = ChatTemplate.parse("{{ (xs + [3]) | join }}{{ xs[::-1] | sort }}");
    assertThat(template.render(HELLO, false, Map.of("xs", list))).isEqualTo("123[1, 2]");
    assertThat(list).containsExactly(1, 2);
  }

  // Mistakes

  @Test
  void aRefusalOfTheTemplateKeepsItsWords() {
    var template = ChatTemplate.parse("{{ raise_exception('Roles must alternate: ' ~ 5) }}");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> template.render(HELLO, false, Map.of()))
        .withMessage("the chat template refuses this conversation: Roles must alternate: 5");
  }

  @Test
  void aVariableOfAnUnknownTypeIsNamed() {
    var template = ChatTemplate.parse("x");
    var nested = new HashMap<String, Object>();
    nested.put("a", List.of(new Object()));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> template.render(HELLO, false, Map.of("options", nested)))
        .withMessageContaining("variable 'options'")
        .withMessageContaining("java.lang.Object");
  }

  @Test
  void aVariableThatContainsItselfIsRefused() {
    var self = new ArrayList<Object>();
    self.add(self);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ChatTemplate.parse("x").render(HELLO, false, Map.of("xs", self)))
        .withMessageContaining("variable 'xs'")
        .withMessageContaining("nested deeper");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "a⏎b⏎{{ 1 + }}                    | 3: expected a value, found '}}'",
        "a⏎{% if x %}⏎{% include 'x' %}    | 3: the tag 'include' is not supported in chat templates",
        "{#⏎⏎#}{{ x⏎ ¦ frobnicate }}       | 4: the filter 'frobnicate' is not supported",
        "{{ 'a⏎b' }}{% if x is⏎ weird %}   | 3: the test 'is weird' is not supported",
        "{% for x in y %}⏎                 | 1: the template ends where a tag 'else' or 'endfor' is missing",
        "{% raw %}⏎{% endraw %}⏎{{ 'abc }} | 3: the text that starts with ' here is not closed",
        "a⏎⏎{% set 5 = x %}                | 3: expected a name, found '5'",
        "{{ (1, 2] }}                      | 1: ']' closes nothing that is open here",
        "{% endif %}                       | 1: 'endif' ends nothing that is open here",
        "{{ 99999999999999999999 }}        | 1: the number 99999999999999999999 is not a whole number of 64 bits",
      })
  void aSyntaxErrorNamesLineAndPlace(String template, String message) {
    assertFails(template.replace('⏎', '\n').replace('¦', '|'), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "x⏎{{ message.role }}                     | 2: 'message' is undefined",
        "{{ messages[0].name.first }}             | 1: a dict has no attribute 'name'",
        "{{ messages[7].role }}                   | 1: a list has no element 7",
        "{%- set a = 1 -%}⏎⏎{{ 'x'⏎ + a }}         | 4: '+' is not defined for a str and an int",
        "{% for m in messages %}⏎{{ m.append(1) }}⏎{% endfor %} | 2: a dict has no attribute 'append'",
        "{% macro m() %}⏎{{ 1 / 0 }}{% endmacro %}⏎⏎{{ m() }}   | 2: division by zero",
        "{{ 4611686018427387904 * 2 }}            | 1: 4611686018427387904 * 2 does not fit into a whole number of 64 bits",
        "{{ messages.append(1) }}                 | 1: 'append' would change a list, which templates may not; build a new one or use a namespace",
      })
  void aFailureNamesTheLine(String template, String message) {
    assertFails(template.replace('⏎', '\n'), message);
  }

  // Strangers

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{{ 'a' * 9999999999 }}",
        "{{ 'a' * 8000000 * 8 }}",
        "{{ [0] * 999999999 }}",
        "{{ range(9999999999) }}",
        "{{ range(0, 10, -1) | list }}{{ range(0, -9223372036854775807, -1) }}",
        "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x.replace('', ns.x) %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x={}) %}{% for i in range(99) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x | tojson }}",
        "{% set ns = namespace(x=(1,)) %}{% for i in range(99) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(600) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace() %}{% set ns.me = [ns, ns] %}{{ ns }}",
        "{% set s = 'a' * 4000000 %}{% for i in range(99999) %}{% if s == s ~ '' %}{% endif %}{% endfor %}",
        "{% set s = 'a' * 4000000 %}{% for i in range(99999) %}{{ s.split('a') | length }}{% endfor %}",
        "{% set s = 'a ' * 2000000 %}{% for i in range(99999) %}{{ s | title | length }}{% endfor %}",
        "{% set s = 'a' * 8000000 %}{% for i in range(99999) %}{% if s.splitlines() and s | length and s is lower %}{% endif %}{% endfor %}",
        "{% set ns = namespace(x=(1,)) %}{% for i in range(15) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{% for i in range(99999) %}{% if messages[0][ns.x] %}{% endif %}{% endfor %}{{ {ns.x: 1} }}",
        "{{ '{:>99999999}'.format(1) }}",
        "{{ '%99999999d' % 1 }}",
        "{{ 'x'.center(999999999) }}",
        "{{ 'a\nb' | indent(999999999) }}",
        "{{ {} | tojson(indent=999999999) }}",
        "{{ 2 ** 9999999999 }}",
        "{% for x in range(100000) %}{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }}{% endfor %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ range.__self__.open('/etc/passwd') }}",
        "{{ messages[0].getClass().forName('java.lang.Runtime') }}",
        "{{ self.__init__ }}",
      })
  void aHostileTemplateIsStopped(String template) {
    assertThatExceptionOfType(FathomException.class)
        .isThrownBy(() -> render(template))
        .withMessageStartingWith("chat template, line ");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(",
        "[",
        "{1:",
        "-",
        "not ",
        "a[",
        "f(",
        "x if ",
        "1 + (",
        "x | default(",
        "x is eq("
      })
  void deepNestingOfExpressionsIsRefused(String opening) {
    assertThatExceptionOfType(FathomException.class)
        .isThrownBy(() -> ChatTemplate.parse("{{ " + opening.repeat(50_000) + " }}"));
  }

  @Test
  void deepNestingOfBlocksIsRefused() {
    assertThatExceptionOfType(FathomException.class)
        .isThrownBy(() -> ChatTemplate.parse("{% if x %}".repeat(50_000)))
        .withMessageContaining("nested deeper");
    assertThatExceptionOfType(FathomException.class)
        .isThrownBy(() ->
            ChatTemplate.parse("{% for " + "(".repeat(999) + "x" + ")".repeat(999) + " in y %}"))
        .withMessageContaining("nested deeper");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"+ 1", "| string", ".x", "[0]", "~ 'a'", "or 0", "if 1", "()", "== 1", "is none"})
  void aLongChainEndsInAnErrorOrAResult(String link) {
    try {
      render("{{ 1 " + (link + " ").repeat(50_000) + "}}");
    } catch (FathomException e) {
      assertThat(e).hasMessageStartingWith("chat template, line 1: ");
    }
  }

  @Test
  void anOverlongTemplateIsRefused() {
    assertThatExceptionOfType(FathomException.class)
        .isThrownBy(() -> ChatTemplate.parse("x".repeat(1_000_001)))
        .withMessage("chat template: 1000001 characters, at most 1000000 are read");
  }

  @Test
  void aLongHonestConversationIsRendered() {
    var messages = new ArrayList<Message>();
    for (int i = 0; i < 400; i++) {
      messages.add(new Message(i % 2 == 0 ? "user" : "assistant", "word ".repeat(1_000)));
    }
    for (var name : Fixtures.TEMPLATES) {
      var template = ChatTemplate.parse(Fixtures.template(name));
      var text = template.render(messages, true, Map.of("bos_token", "<s>", "eos_token", "</s>"));
      assertThat(text).as(name).hasSizeGreaterThan(1_900_000);
    }
  }

  static List<Integer> seeds() {
    return List.of(1, 2, 3, 4, 5, 6, 7, 8);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void aDamagedTemplateNeverFailsInAnotherWay(int seed) {
    var random = new SplittableRandom(seed);
    var pieces =
        List.of(
            "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "(", ")", "[", "]", "'", "\"", "\\", "~",
            ".", ":", ",", "=", "|", "%", " ", "\n", "if ", "for ", "in ", "set ", "is ", "not ",
            "x", "1", "endif", "raw");
    for (int i = 0; i < 400; i++) {
      var name = Fixtures.TEMPLATES.get(random.nextInt(Fixtures.TEMPLATES.size()));
      var template = new StringBuilder(Fixtures.template(name));
      for (int changes = random.nextInt(1, 6); changes > 0; changes--) {
        int start = random.nextInt(template.length());
        int end = Math.min(template.length(), start + random.nextInt(12));
        template.replace(start, end, pieces.get(random.nextInt(pieces.size())));
      }
      try {
        ChatTemplate.parse(template.toString())
            .withLimits(new Limits(100_000, 100_000, 100_000, 200, 1_000))
            .render(HELLO, true, Map.of("bos_token", "<s>", "eos_token", "</s>"));
      } catch (FathomException | IllegalArgumentException e) {
        assertThat(e.getMessage()).as("seed %d, turn %d", seed, i).contains("chat template");
      }
    }
  }
}
