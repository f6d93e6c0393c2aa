// A receiver in Java (11 or later), with nothing but the JDK: WEBHOOK_SECRET=whsec_… java java.java
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import java.util.concurrent.Executors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

class Receiver {
    static final long TOLERANCE = 5 * 60; // seconds
    static final int LONGEST_BODY = 1024 * 1024;

    /** Whether the bytes of a body were signed with the secret, within five minutes of now (Unix, seconds). */
    static boolean verify(Headers headers, byte[] body, String secret, long now) throws GeneralSecurityException {
        String family = headers.getFirst("webhook-signature") != null ? "webhook" : "svix";
        String id = headers.getFirst(family + "-id");
        String timestamp = headers.getFirst(family + "-timestamp");
        String signatures = headers.getFirst(family + "-signature");
        if (id == null || timestamp == null || signatures == null || !timestamp.matches("[0-9]{1,12}")) {
            return false;
        }
        if (Math.abs(now - Long.parseLong(timestamp)) > TOLERANCE) {
            return false;
        }
        byte[] key = Base64.getDecoder().decode(secret.startsWith("whsec_") ? secret.substring(6) : secret);
        if (key.length == 0) {
            return false;
        }
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.ISO_8859_1));
        byte[] expected = mac.doFinal(body);
        // While a secret is rotated there are several signatures, divided by spaces: one of them must be right.
        for (String signature : signatures.split(" ")) {
            if (signature.startsWith("v1,") && MessageDigest.isEqual(expected, decoded(signature.substring(3)))) {
                return true;
            }
        }
        return false;
    }

    /** Base64, decoded; nothing if it is none. */
    static byte[] decoded(String text) {
        try {
            return Base64.getDecoder().decode(text);
        } catch (IllegalArgumentException error) {
            return new byte[0];
        }
    }

    static void receive(HttpExchange exchange) throws IOException {
        int status = 401;
        try (exchange) {
            // The bytes as they came: JSON that is parsed and written anew has another signature.
            // In Spring: @RequestBody byte[] body.
            byte[] body = exchange.getRequestBody().readNBytes(LONGEST_BODY + 1);
            if (body.length > LONGEST_BODY) {
                status = 413;
            } else if (verify(exchange.getRequestHeaders(), body,
                    System.getenv().getOrDefault("WEBHOOK_SECRET", ""), Instant.now().getEpochSecond())) {
                // Keep the message, then answer at once. The same id may come again: do its work only once.
                status = 204;
            }
            exchange.sendResponseHeaders(status, -1);
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8000"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/", Receiver::receive);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }
}
