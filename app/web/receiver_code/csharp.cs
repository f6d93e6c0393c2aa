// A receiver in C#, with nothing but .NET: WEBHOOK_SECRET=whsec_… dotnet run (or mcs csharp.cs && mono csharp.exe)
using System;
using System.Collections.Specialized;
using System.IO;
using System.Linq;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

static class Receiver
{
    const long Tolerance = 5 * 60; // seconds
    const int LongestBody = 1024 * 1024;

    // Whether the bytes of a body were signed with the secret, within five minutes of now.
    static bool Verify(NameValueCollection headers, byte[] body, string secret, DateTimeOffset now)
    {
        var family = headers["webhook-signature"] != null ? "webhook" : "svix";
        var id = headers[family + "-id"];
        var timestamp = headers[family + "-timestamp"];
        var signatures = headers[family + "-signature"];
        if (id == null || signatures == null || !Regex.IsMatch(timestamp ?? "", @"\A[0-9]{1,12}\z"))
            return false;
        if (Math.Abs(now.ToUnixTimeSeconds() - long.Parse(timestamp)) > Tolerance)
            return false;

        var key = Convert.FromBase64String(secret.StartsWith("whsec_") ? secret.Substring(6) : secret);
        if (key.Length == 0)
            return false;
        var content = Encoding.GetEncoding("iso-8859-1").GetBytes($"{id}.{timestamp}.").Concat(body).ToArray();
        byte[] expected;
        using (var hmac = new HMACSHA256(key))
            expected = hmac.ComputeHash(content);
        // While a secret is rotated there are several signatures, divided by spaces: one of them must be right.
        foreach (var signature in signatures.Split(' '))
            if (signature.StartsWith("v1,") && AreSame(Decoded(signature.Substring(3)), expected))
                return true;
        return false;
    }

    // Takes the same time wherever they differ; on .NET Core CryptographicOperations.FixedTimeEquals does this.
    static bool AreSame(byte[] given, byte[] expected)
    {
        if (given.Length != expected.Length)
            return false;
        var difference = 0;
        for (var index = 0; index < given.Length; index++)
            difference |= given[index] ^ expected[index];
        return difference == 0;
    }

    // Base64, decoded; nothing if it is none.
    static byte[] Decoded(string text)
    {
        try { return Convert.FromBase64String(text); }
        catch (FormatException) { return new byte[0]; }
    }

    // The bytes as they came: JSON that is parsed and written anew has another signature. Nothing if they are too many.
    // In ASP.NET Core: Request.Body, before anything binds it to a model.
    static byte[] Read(Stream stream)
    {
        var body = new MemoryStream();
        var buffer = new byte[65536];
        int count;
        while ((count = stream.Read(buffer, 0, buffer.Length)) > 0)
        {
            if (body.Length + count > LongestBody)
                return null;
            body.Write(buffer, 0, count);
        }
        return body.ToArray();
    }

    static void Main()
    {
        var secret = Environment.GetEnvironmentVariable("WEBHOOK_SECRET") ?? "";
        var listener = new HttpListener();
        listener.Prefixes.Add($"http://127.0.0.1:{Environment.GetEnvironmentVariable("PORT") ?? "8000"}/");
        listener.Start();
        while (true)
        {
            var context = listener.GetContext();
            var body = Read(context.Request.InputStream);
            if (body == null)
                context.Response.StatusCode = 413;
            else if (!Verify(context.Request.Headers, body, secret, DateTimeOffset.UtcNow))
                context.Response.StatusCode = 401;
            else
                // Keep the message, then answer at once. The same id may come again: do its work only once.
                context.Response.StatusCode = 204;
            context.Response.Close();
        }
    }
}
