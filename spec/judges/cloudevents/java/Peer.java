import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.provider.EventFormatProvider;
import io.cloudevents.http.HttpMessageFactory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The CloudEvents SDK for Java at either end of HTTP: "send MODE URL" sends the events of its standard input, one a line, as
 * sdks_test.py makes them; "listen" says where it is and then a line for each event it was sent.
 */
public final class Peer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private static byte[] data(JsonNode e) throws IOException {
        switch (e.path("kind").asText()) {
            case "json":
                return JSON.writeValueAsBytes(e.get("json"));
            case "text":
                return e.get("text").asText().getBytes(StandardCharsets.UTF_8);
            default:
                return Base64.getDecoder().decode(e.get("bytes").asText());
        }
    }

    private static CloudEvent made(JsonNode e) throws IOException {
        CloudEventBuilder to = CloudEventBuilder.v1();
        e.get("attributes").fields().forEachRemaining(a -> {
            if (a.getValue().isBoolean()) {
                to.withExtension(a.getKey(), a.getValue().asBoolean());
            } else if (a.getValue().isInt()) {
                to.withExtension(a.getKey(), (Number) a.getValue().asInt());
            } else if (!a.getKey().equals("specversion")) {
                to.withContextAttribute(a.getKey(), a.getValue().asText());
            }
        });
        return (e.has("kind") ? to.withData(data(e)) : to).build();
    }

    private static HttpRequest request(String mode, String url, CloudEvent event) {
        HttpRequest.Builder to = HttpRequest.newBuilder(URI.create(url)).POST(HttpRequest.BodyPublishers.noBody());
        var writer = HttpMessageFactory.createWriter(to::header, body -> {
            if (body != null) {
                to.POST(HttpRequest.BodyPublishers.ofByteArray(body));
            }
        });
        if (mode.equals("binary")) {
            writer.writeBinary(event);
        } else {
            String form = mode.equals("protobuf") ? "protobuf" : "json";
            writer.writeStructured(event, EventFormatProvider.getInstance().resolveFormat("application/cloudevents+" + form));
        }
        return to.build();
    }

    private static void send(String mode, String url) throws IOException, InterruptedException {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            HttpResponse<String> answer = client.send(request(mode, url, made(JSON.readTree(line))), HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 202) {
                throw new IOException(line + ": " + answer.statusCode() + " " + answer.body());
            }
        }
    }

    private static ObjectNode told(CloudEvent event) {
        ObjectNode line = JSON.createObjectNode();
        ObjectNode attributes = line.putObject("attributes");
        List<String> names = new ArrayList<>(event.getAttributeNames());
        names.addAll(event.getExtensionNames());
        for (String name : names) {
            Object value = event.getExtensionNames().contains(name) ? event.getExtension(name) : event.getAttribute(name);
            if (value != null) {
                attributes.put(name, value.toString());
            }
        }
        return line.put("data", event.getData() == null ? null : Base64.getEncoder().encodeToString(event.getData().toBytes()));
    }

    private static void take(HttpExchange exchange) throws IOException {
        Map<String, String> headers = new HashMap<>();
        exchange.getRequestHeaders().forEach((name, values) -> headers.put(name.toLowerCase(), values.get(0)));
        byte[] body = exchange.getRequestBody().readAllBytes();
        String line;
        try {
            line = told(HttpMessageFactory.createReader(headers, body.length == 0 ? null : body).toEvent()).toString();
        } catch (RuntimeException e) {
            line = JSON.createObjectNode().put("error", headers + ": " + e).toString();
        }
        synchronized (OUT) {
            OUT.println(line);
        }
        exchange.sendResponseHeaders(204, -1);
        exchange.close();
    }

    private static void listen() throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", Peer::take);
        server.start();
        OUT.println("127.0.0.1:" + server.getAddress().getPort());
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        if (args[0].equals("send")) {
            send(args[1], args[2]);
        } else {
            listen();
        }
    }
}
