-- SHA-256 of the verifier that each of a credential's two logins got last from pgcleave, in hexadecimal; it tells nothing
-- about the password. Where pg_authid can be read, a plan lists a published password that somebody else has changed.
alter table pgcleave.credential
  add column verifier_a text,
  add column verifier_b text;
