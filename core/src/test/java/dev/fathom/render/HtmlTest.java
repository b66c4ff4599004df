package dev.fathom.render;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

class HtmlTest {
  private static final Pattern TAG =
      Pattern.compile(
          "<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\\s+[a-zA-Z][a-zA-Z0-9-]*(?:=(?:\"[^\"<>]*\"|[a-z0-9-]+))?)*)\\s*(/?)>");
  private static final Set<String> VOID = Set.of("meta", "br", "hr", "img", "input", "link");

  /// Text between tags must hold no stray angle bracket, every tag must be closed by its own.
  private static void assertWellFormed(String html) {
    String page = html.substring(html.indexOf("<html"));
    String body =
        page.replaceAll("(?s)(<style>).*?(</style>)", "$1$2")
            .replaceAll("(?s)(<script[^>]*>).*?(</script>)", "$1$2");
    var open = new ArrayDeque<String>();
    var matcher = TAG.matcher(body);
    int at = 0;
    while (matcher.find()) {
      assertThat(body.substring(at, matcher.start())).doesNotContain("<").doesNotContain(">");
      at = matcher.end();
      String name = matcher.group(2);
      if (!matcher.group(1).isEmpty()) {
        assertThat(open.pop()).isEqualTo(name);
      } else if (matcher.group(4).isEmpty() && !VOID.contains(name)) {
        open.push(name);
      }
    }
    assertThat(body.substring(at)).isBlank();
    assertThat(open).isEmpty();
  }

  private static String between(String html, String from, String to) {
    int start = html.indexOf(from) + from.length();
    return html.substring(start, html.indexOf(to, start));
  }

  @Test
  void theReportIsWellFormedAndSaysEverything() {
    String html = Html.render(Samples.report());
    assertWellFormed(html);
    assertThat(html)
        .startsWith("<!DOCTYPE html>")
        .contains("<h1>The Eiffel Tower is located in the city of</h1>")
        .contains("Which token does each layer predict next, and how surely?")
        .contains("1  probability")
        .contains("not counted for the colour range: column 0 (The)")
        .contains("5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c")
        .contains("href=\"#s-lens\"")
        .contains("id=\"s-lens\"");
  }

  @Test
  void nothingIsFetchedFromAnywhere() {
    String html = Html.render(Samples.report());
    assertThat(html).doesNotContain("http:").doesNotContain("https:").doesNotContain("@import");
    assertThat(html).doesNotContain(" src=").doesNotContain("url(").doesNotContain("<link");
    assertThat(Pattern.compile("href=\"([^\"]*)\"").matcher(html).results())
        .allSatisfy(r -> assertThat(r.group(1)).startsWith("#"));
  }

  @Test
  void onlyThePagesOwnScriptAndStyleMayRun() throws Exception {
    String html = Html.render(Samples.report());
    String policy = between(html, "Content-Security-Policy\" content=\"", "\"");
    assertThat(policy).startsWith("default-src 'none'").doesNotContain("unsafe");
    assertThat(policy).contains("style-src '" + hash(between(html, "<style>", "</style>")) + "'");
    assertThat(policy)
        .contains("script-src '" + hash(between(html, "</script>\n<script>", "</script>")) + "'");
    String body = html.substring(html.indexOf("<body>"), html.indexOf("<script"));
    assertThat(body).doesNotContain(" style=").doesNotContainPattern(" on[a-z]+=");
  }

  private static String hash(String text) throws Exception {
    byte[] digest =
        MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    return "sha256-" + Base64.getEncoder().encodeToString(digest);
  }

  @Test
  void textOfStrangersStaysText() {
    int scripts = count(Html.render(Samples.report()), "<script");
    for (String hostile : Hostile.STRINGS) {
      String html = Html.render(Hostile.report(hostile));
      assertWellFormed(html);
      assertThat(count(html, "<script")).isEqualTo(scripts);
      assertThat(count(html, "</script")).isEqualTo(scripts);
      assertThat(html).doesNotContain("<img").doesNotContain("<!--").doesNotContain("\u202e");
      assertThat(StandardCharsets.UTF_8.newEncoder().canEncode(html)).isTrue();
      String data = between(html, "id=\"data\">", "</script>");
      var json = JsonMapper.builder().build().readTree(data);
      assertThat(json.get("title").asString()).isEqualTo(hostile.replaceAll("\\p{Cs}", "�"));
    }
  }

  private static int count(String text, String part) {
    return text.split(Pattern.quote(part), -1).length - 1;
  }

  @Test
  void longPromptsArePagedAndDeepModelsWhole() {
    String html = Html.render(Samples.largeReport());
    assertWellFormed(html);
    assertThat(html)
        .contains("data-range=\"position 0 to 255 of 300\"")
        .contains("data-range=\"position 256 to 299 of 300\"")
        .contains("<th scope=\"row\">98</th>");
    assertThat(count(html, "<td class=q")).isEqualTo(31 * 300 + 100 * 10);
  }

  @Test
  void anEmptyReportIsStillAPage() {
    var report = new Report("", "", List.of(), List.of(), Samples.provenance(List.of()));
    assertWellFormed(Html.render(report));
  }

  @Test
  void linkedPicturesStandBesideEachOtherAndShareTheKeysOfTheirPoints() {
    View.Scatter one =
        View.Scatter.of("A", "", "x", "y", List.of(View.Point.of(0, 1, "a \"b\"", "g")))
            .linkedBy("map");
    var section = Section.of("s", "S", "", List.of(one, one, Samples.scatter()));
    String html =
        Html.render(
            new Report("T", "", List.of(), List.of(section), Samples.report().provenance()));
    assertWellFormed(html);
    assertThat(html.split("<figure class=\"beside\">", -1)).hasSize(3);
    assertThat(html.split("data-key=\"map/a &quot;b&quot;\"", -1)).hasSize(3);
  }
}
