#!/bin/bash
# program: /usr/lib/x86_64-linux-gnu/libcrypto.so.3
# 4,000 rounds of ECDSA P-256 sign and verify, AES in five modes, digests, RSA, key exchange.
mkdir lib && cp "$1" lib/libcrypto.so.3
unset LD_LIBRARY_PATH
gcc -O2 -x c - -o rounds -lcrypto <<'C' || exit 1
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
static int rounds(int n) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  int good = 0;
  for (int i = 0; i < n; i++) {
    unsigned char message[32], signature[128];
    size_t length = sizeof signature;
    memset(message, i, sizeof message);
    EVP_MD_CTX* ctx = EVP_MD_CTX_new();
    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key);
    EVP_DigestSign(ctx, signature, &length, message, sizeof message);
    EVP_MD_CTX_reset(ctx);
    EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key);
    good += EVP_DigestVerify(ctx, signature, length, message, sizeof message) == 1;
    message[3] ^= 1;
    EVP_MD_CTX_reset(ctx);
    EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key);
    if (i % 100 == 0) good -= EVP_DigestVerify(ctx, signature, length, message, sizeof message) == 1;
    EVP_MD_CTX_free(ctx);
  }
  return good;
}
static void cipher(const EVP_CIPHER* c) {
  unsigned char key[64], iv[16], in[1021], out[2048];
  for (int i = 0; i < 64; i++) key[i] = (unsigned char)(i * 7);
  for (int i = 0; i < 16; i++) iv[i] = (unsigned char)i;
  for (int i = 0; i < 1021; i++) in[i] = (unsigned char)(i * i);
  int n = 0, tail = 0;
  unsigned sum = 0;
  EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(ctx, c, NULL, key, iv);
  EVP_EncryptUpdate(ctx, out, &n, in, sizeof in);
  EVP_EncryptFinal_ex(ctx, out + n, &tail);
  for (int i = 0; i < n + tail; i++) sum = sum * 31 + out[i];
  printf("%s %d %08x\n", EVP_CIPHER_get0_name(c), n + tail, sum);
  EVP_CIPHER_CTX_free(ctx);
}
int main(void) {
  printf("%d of 4000 verified\n", rounds(4000));
  cipher(EVP_aes_128_cbc()), cipher(EVP_aes_256_ctr()), cipher(EVP_aes_256_gcm());
  cipher(EVP_aes_256_xts()), cipher(EVP_aes_192_ecb()), cipher(EVP_chacha20());
  return 0;
}
C
export LD_LIBRARY_PATH=$PWD/lib
./rounds
echo "status $?"
# The same work without the CPU's extensions takes the other assembly paths.
OPENSSL_ia32cap=~0x200000200000000 ./rounds
OPENSSL_ia32cap=0:0 ./rounds
seq 1 50000 > data
for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512 sm3; do openssl dgst -$digest data; done
openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -pass pass:x -in data | openssl dgst -sha256
openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -pass pass:x -in data -out data.enc
openssl enc -d -aes-256-cbc -pbkdf2 -S 0102030405060708 -pass pass:x -in data.enc | cmp - data && echo "decrypted"
openssl genrsa -out key.pem 2048 2>/dev/null && openssl dgst -sha256 -sign key.pem -out sig data &&
  openssl rsa -in key.pem -pubout -out pub.pem 2>/dev/null && openssl dgst -sha256 -verify pub.pem -signature sig data
openssl req -x509 -key key.pem -subj /CN=pun -days 1 -out cert.pem && openssl verify -CAfile cert.pem cert.pem
openssl genpkey -algorithm X25519 -out x.pem && openssl pkey -in x.pem -pubout -out xp.pem && openssl pkeyutl -derive -inkey x.pem -peerkey xp.pem | wc -c
openssl prime -hex 7fffffffffffffffffffffffffffffff; openssl rand -hex 8 | wc -c
openssl dgst -no-such-digest data 2>/dev/null
echo "status $?"
