#pragma once
// What the modules call; functions that OpenSSL defines as macros or as variadic, which Swift cannot see, are wrapped
// here under names that start with `quintet_`. One line each: no logic lives in this header.
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

// Errors.
static inline int quintet_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
static inline int quintet_error_library(unsigned long code) { return ERR_GET_LIB(code); }

// Memory BIOs.
static inline long quintet_bio_memory(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

// Keys.
static inline EVP_PKEY *quintet_generate_p256(void) { return EVP_EC_gen("P-256"); }
static inline EVP_PKEY *quintet_read_private_key(BIO *bio, pem_password_cb *never) {
    return PEM_read_bio_PrivateKey(bio, NULL, never, NULL);
}

// TLS contexts.
static inline long quintet_ctx_set_minimum(SSL_CTX *ctx, int version) {
    return SSL_CTX_set_min_proto_version(ctx, version);
}
static inline long quintet_ctx_set_maximum(SSL_CTX *ctx, int version) {
    return SSL_CTX_set_max_proto_version(ctx, version);
}
static inline long quintet_ctx_add_chain(SSL_CTX *ctx, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(ctx, certificate);
}
static inline long quintet_ctx_on_server_name(SSL_CTX *ctx, int (*choose)(SSL *, int *, void *)) {
    return SSL_CTX_set_tlsext_servername_callback(ctx, choose);
}
/// No renegotiation, no compression, no session that a later handshake could go on from: each proves itself anew.
static inline void quintet_ctx_harden(SSL_CTX *ctx) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
}

// TLS connections.
static inline long quintet_ssl_set_server_name(SSL *ssl, const char *name) {
    return SSL_set_tlsext_host_name(ssl, (char *)name);
}
static inline int quintet_ssl_set_owner(SSL *ssl, void *owner) { return SSL_set_app_data(ssl, owner); }
static inline void *quintet_ssl_owner(const SSL *ssl) { return SSL_get_app_data(ssl); }

// Stacks.
static inline int quintet_certificates_count(const STACK_OF(X509) *stack) { return sk_X509_num(stack); }
static inline X509 *quintet_certificates_at(const STACK_OF(X509) *stack, int index) {
    return sk_X509_value(stack, index);
}
static inline GENERAL_NAMES *quintet_alternative_names(const X509 *certificate) {
    return (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}
static inline int quintet_names_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
/// The bytes of a URI name, which the names own, or NULL where the name is of another type.
static inline const unsigned char *quintet_names_uri(const GENERAL_NAMES *names, int index, int *length) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name->type != GEN_URI) return NULL;
    *length = ASN1_STRING_length(name->d.uniformResourceIdentifier);
    return ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
}
