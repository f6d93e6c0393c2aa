<?php
// A receiver in PHP, with nothing but PHP itself: WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:8000 php.php
declare(strict_types=1);

const TOLERANCE = 5 * 60; // seconds
const LONGEST_BODY = 1024 * 1024;

/**
 * Whether the bytes of a body were signed with the secret, within five minutes of now (Unix, seconds).
 * $server is $_SERVER, in which the header Webhook-Id is HTTP_WEBHOOK_ID.
 */
function verify(array $server, string $body, string $secret, int $now): bool
{
    $family = isset($server['HTTP_WEBHOOK_SIGNATURE']) ? 'WEBHOOK' : 'SVIX';
    $id = $server["HTTP_{$family}_ID"] ?? '';
    $timestamp = $server["HTTP_{$family}_TIMESTAMP"] ?? '';
    $signatures = $server["HTTP_{$family}_SIGNATURE"] ?? '';
    if ($id === '' || preg_match('/\A[0-9]{1,12}\z/', $timestamp) !== 1) {
        return false;
    }
    if (abs($now - (int) $timestamp) > TOLERANCE) {
        return false;
    }
    $key = base64_decode(preg_replace('/\Awhsec_/', '', $secret), true);
    if ($key === false || $key === '') {
        return false;
    }
    $expected = hash_hmac('sha256', "$id.$timestamp.$body", $key, true);
    // While a secret is rotated there are several signatures, divided by spaces: one of them must be right.
    foreach (explode(' ', $signatures) as $signature) {
        [$version, $encoded] = explode(',', $signature, 2) + [1 => ''];
        $given = base64_decode($encoded, true);
        if ($version === 'v1' && $given !== false && hash_equals($expected, $given)) {
            return true;
        }
    }
    return false;
}

// The bytes as they came: JSON that is parsed and written anew has another signature.
// In Laravel: $request->getContent().
$body = file_get_contents('php://input', length: LONGEST_BODY + 1);
if (strlen($body) > LONGEST_BODY) {
    http_response_code(413);
} elseif (!verify($_SERVER, $body, (string) getenv('WEBHOOK_SECRET'), time())) {
    http_response_code(401);
} else {
    // Keep the message, then answer at once. The same id may come again: do its work only once.
    http_response_code(204);
}
