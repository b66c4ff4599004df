package dev.fathom.render;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.view.View;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;

class SvgTest {
  private static Document parse(String svg) {
    try {
      var factory = DocumentBuilderFactory.newInstance();
      factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
      return factory
          .newDocumentBuilder()
          .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
    } catch (Exception e) {
      throw new AssertionError(svg.substring(0, Math.min(500, svg.length())), e);
    }
  }

  private static List<String> texts(Document document, String element) {
    var nodes = document.getElementsByTagName(element);
    var texts = new ArrayList<String>();
    for (int i = 0; i < nodes.getLength(); i++) {
      texts.add(nodes.item(i).getTextContent());
    }
    return texts;
  }

  @Test
  void everyViewIsWellFormedInEveryTheme() {
    for (View view : Samples.all()) {
      for (Theme theme : Theme.values()) {
        Document document = parse(Svg.render(view, theme));
        assertThat(texts(document, "text")).contains(view.title());
      }
    }
  }

  @Test
  void textOfStrangersStaysText() {
    for (String hostile : Hostile.STRINGS) {
      for (View view : Hostile.views(hostile)) {
        Document document = parse(Svg.render(view));
        for (String element : List.of("script", "img", "a", "image", "foreignObject")) {
          assertThat(document.getElementsByTagName(element).getLength()).isZero();
        }
      }
    }
  }

  @Test
  void everyCellCarriesItsNumberAndDetails() {
    List<String> titles = texts(parse(Svg.render(Samples.lens())), "title");
    assertThat(titles).hasSize(310);
    assertThat(titles).anySatisfy(t -> assertThat(t).startsWith("layer 29, position 9 ' of'\n0.7"));
    assertThat(titles).allSatisfy(t -> assertThat(t.lines().count()).isEqualTo(7));
  }

  @Test
  void rowLabelsAreWhole() {
    assertThat(texts(parse(Svg.render(Samples.ablation())), "text")).contains("29", "10", "0");
  }

  @Test
  void plainThemesUseNoStyleSheet() {
    assertThat(Svg.render(Samples.lens(), Theme.DARK))
        .doesNotContain("var(")
        .doesNotContain("<style");
    assertThat(Svg.render(Samples.lens(), Theme.AUTO)).contains("prefers-color-scheme:dark");
  }

  @Test
  void pngsHaveTwoPixelsForEachOfTheSvgs() throws IOException {
    for (View view : Samples.all()) {
      var document = parse(Svg.render(view, Theme.LIGHT)).getDocumentElement();
      var image = ImageIO.read(new ByteArrayInputStream(Png.render(view)));
      assertThat(image.getWidth() / 2.0)
          .isCloseTo(Double.parseDouble(document.getAttribute("width")), within(1.0));
    }
  }

  @Test
  void aHugePictureIsDrawnInGroups() throws IOException {
    var image =
        ImageIO.read(
            new ByteArrayInputStream(Png.render(Samples.lens(Samples.manyTokens(1100), 60))));
    assertThat(Svg.render(Samples.lens(Samples.manyTokens(1100), 3)))
        .contains("4 rows and 1100 columns in groups");
    assertThat((long) image.getWidth() * image.getHeight()).isLessThan(51_000_000L);
  }

  @Test
  void groupsBeyondTheColoursOfAScatterAreRings() {
    var points = new ArrayList<View.Point>();
    for (int group = 0; group < 9; group++) {
      points.add(View.Point.of(group, group, "point", "group " + group));
    }
    String svg = Svg.render(View.Scatter.of("title", "", "x", "y", points));
    assertThat(svg.split("fill-opacity=\"0\"", -1)).hasSize(1 + 2 * 2); // each and its legend
  }

  @Test
  void groupsBeyondTheRingsAreSquaresAndPointsWithoutOneAreFaint() {
    var points = new ArrayList<View.Point>();
    points.add(View.Point.of(-1, -1, "point", ""));
    for (int group = 0; group < 23; group++) {
      points.add(View.Point.of(group, group, "point", "group " + group));
    }
    String svg = Svg.render(View.Scatter.of("title", "", "x", "y", points), Theme.LIGHT);
    assertThat(svg.split("fill-opacity=\"0\"", -1)).hasSize(1 + 2 * 7);
    assertThat(svg.split("<rect", -1)).hasSize(1 + 1 + 2 * 7); // the ground, and two each
    assertThat(svg.split("<path", -1)).hasSize(1 + 2 * 2);
    String faint = "r=\"2.45\" fill=\"" + Paint.of(Theme.LIGHT, "hair") + "\"";
    assertThat(svg).containsOnlyOnce(faint);
  }

  @Test
  void aFrameShowsWhatIsInItAndNamesDoNotTouch() {
    var points = new ArrayList<View.Point>();
    for (int i = 0; i < 40; i++) {
      points.add(View.Point.of(i, i, "far " + i, "g"));
      points.add(View.Point.of(10 + 0.001 * i, 10, "near " + i, "g"));
    }
    View.Scatter all = View.Scatter.of("title", "", "x", "y", points);
    assertThat(texts(parse(Svg.render(all)), "text")).noneMatch(text -> text.startsWith("far"));
    View.Scatter framed =
        all.within(new View.Frame(9.5, 20.5, 9.5, 20.5))
            .naming(points.stream().map(View.Point::label).collect(Collectors.toSet()));
    Document document = parse(Svg.render(framed));
    assertThat(texts(document, "title")).hasSize(40 + 11);
    List<String> names = texts(document, "text");
    assertThat(names).contains("far 15", "far 20").doesNotContain("far 21");
    assertThat(names.stream().filter(name -> name.startsWith("near"))).hasSizeBetween(1, 4);
  }
}
