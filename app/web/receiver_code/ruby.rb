# A receiver in Ruby, as a Rack application, with nothing but its standard library. In config.ru:
#   require_relative "ruby"
#   run RECEIVER
require "openssl"

TOLERANCE = 5 * 60 # seconds
LONGEST_BODY = 1024 * 1024

# Whether the bytes of a body were signed with the secret, within five minutes of now (a Time).
# `env` is Rack's, in which the header Webhook-Id is HTTP_WEBHOOK_ID.
def verify(env, body, secret, now)
  family = %w[WEBHOOK SVIX].find { |name| env["HTTP_#{name}_SIGNATURE"] }
  return false unless family

  id, timestamp = env["HTTP_#{family}_ID"], env["HTTP_#{family}_TIMESTAMP"]
  return false unless id && timestamp&.match?(/\A[0-9]{1,12}\z/)
  return false if (now.to_i - timestamp.to_i).abs > TOLERANCE

  key = secret.delete_prefix("whsec_").unpack1("m0")
  return false if key.empty?

  expected = OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{timestamp}.".b + body.b)
  # While a secret is rotated there are several signatures, divided by spaces: one of them must be right.
  env["HTTP_#{family}_SIGNATURE"].split(" ").any? do |signature|
    version, encoded = signature.split(",", 2)
    version == "v1" && OpenSSL.secure_compare(decoded(encoded.to_s), expected)
  end
end

# Base64, decoded; nothing if it is none.
def decoded(text)
  text.unpack1("m0")
rescue ArgumentError
  ""
end

RECEIVER = lambda do |env|
  # The bytes as they came: JSON that is parsed and written anew has another signature.
  # In Rails: request.raw_post.
  body = env["rack.input"].read(LONGEST_BODY + 1).to_s
  if body.bytesize > LONGEST_BODY
    [413, {}, []]
  elsif verify(env, body, ENV.fetch("WEBHOOK_SECRET"), Time.now)
    # Keep the message, then answer at once. The same id may come again: do its work only once.
    [204, {}, []]
  else
    [401, {}, []]
  end
end
