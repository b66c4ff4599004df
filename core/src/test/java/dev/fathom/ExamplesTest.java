package dev.fathom;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Keeps documents honest: the files in `examples/` compile, and each block of Java in the README
/// and the guide is cut from one of them. A block is marked by a comment on the line before it:
///
/// ````
/// <!-- examples/PrintVersion.java -->
/// ```java
/// ````
class ExamplesTest {
  private static final Path ROOT = Path.of(System.getProperty("basedir", "."), "..").normalize();

  private static final Pattern BLOCK =
      Pattern.compile(
          "(?:<!-- (examples/\\S+\\.java) -->\\n)?```java\\n(.*?)\\n```", Pattern.DOTALL);

  private static final int MAX_LINES = 40;

  private record Snippet(Path document, String file, String code) {}

  static List<Path> examples() throws IOException {
    return list(ROOT.resolve("examples"), ".java");
  }

  @ParameterizedTest
  @MethodSource("examples")
  void everyExampleCompilesAndIsShort(Path example, @TempDir Path classes) throws IOException {
    var compiler = ToolProvider.getSystemJavaCompiler();
    var messages = new StringWriter();
    try (var files = compiler.getStandardFileManager(null, null, null)) {
      var options =
          List.of(
              "-d",
              classes.toString(),
              "-classpath",
              System.getProperty("java.class.path"),
              "-Xlint:all,-path", // manifests of the native jars name jars that are not beside them
              "-Werror",
              "-proc:none",
              "--release",
              "25");
      boolean compiles =
          compiler
              .getTask(messages, files, null, options, null, files.getJavaFileObjects(example))
              .call();
      assertThat(compiles).as(messages::toString).isTrue();
    }
    assertThat(Files.readAllLines(example)).hasSizeLessThanOrEqualTo(MAX_LINES);
  }

  @Test
  void everyBlockOfJavaInADocumentIsCutFromAnExample() throws IOException {
    var found = snippets();
    assertThat(found).isNotEmpty();
    for (var snippet : found) {
      assertThat(snippet.file())
          .as("mark before a block of Java in %s", snippet.document())
          .isNotEmpty();
      assertThat(ROOT.resolve(snippet.file()))
          .content()
          .as("%s", snippet.document())
          .contains(snippet.code());
    }
  }

  private static List<Snippet> snippets() throws IOException {
    var found = new ArrayList<Snippet>();
    var documents =
        Stream.concat(
            Stream.of(ROOT.resolve("README.md")), list(ROOT.resolve("docs/guide"), ".md").stream());
    for (var document : documents.toList()) {
      var blocks = BLOCK.matcher(Files.readString(document));
      while (blocks.find()) {
        var file = blocks.group(1) == null ? "" : blocks.group(1);
        found.add(new Snippet(document, file, blocks.group(2)));
      }
    }
    return found;
  }

  private static List<Path> list(Path folder, String ending) throws IOException {
    if (!Files.isDirectory(folder)) return List.of();
    try (var files = Files.list(folder)) {
      return files.filter(file -> file.toString().endsWith(ending)).sorted().toList();
    }
  }
}
