/*
 * The parts of OpenSSL 3 that NovaBackend uses.
 *
 * Debian's libssl is linked dynamically, so that security fixes arrive with the distribution. Swift does not
 * see function-like macros; each one needed has an inline function here, named cnova_ and what it does.
 */
#ifndef BELLHOP_COPENSSL_SHIM_H
#define BELLHOP_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static inline int cnova_require_tls_1_2(SSL_CTX *context) {
    return (int)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/* The modes of a non-blocking caller: a write may take a part, and may be repeated from a moved buffer.
 * Idle pooled connections give their 34 kB of record buffers back. */
static inline void cnova_set_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                  | SSL_MODE_RELEASE_BUFFERS);
}

static inline void cnova_disable_renegotiation(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
}

/* Keeps sessions out of OpenSSL's own cache, which a client never looks into. */
static inline void cnova_disable_session_cache(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline void cnova_enable_read_ahead(SSL_CTX *context) {
    SSL_CTX_set_read_ahead(context, 1);
}

static inline int cnova_set_server_name(SSL *connection, const char *name) {
    return (int)SSL_set_tlsext_host_name(connection, name);
}

static inline void cnova_clear_retry(BIO *bio) {
    BIO_clear_retry_flags(bio);
}

static inline void cnova_set_retry_read(BIO *bio) {
    BIO_set_retry_read(bio);
}

static inline void cnova_set_retry_write(BIO *bio) {
    BIO_set_retry_write(bio);
}

static inline int cnova_error_library(unsigned long code) {
    return ERR_GET_LIB(code);
}

static inline int cnova_error_reason(unsigned long code) {
    return ERR_GET_REASON(code);
}

#endif
