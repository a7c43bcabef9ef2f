/*
 * The parts of rabbitmq-c (Debian's librabbitmq) that OsloMessaging uses.
 *
 * Linked dynamically, so that security fixes arrive with the distribution. rabbitmq-c 0.12 moved its headers into a
 * folder of their own; both places are looked in.
 */
#ifndef BELLHOP_CRABBITMQ_SHIM_H
#define BELLHOP_CRABBITMQ_SHIM_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

/* Two functions of OpenSSL's, on which rabbitmq-c is built. Its headers stay out: in two modules they would clash. */
struct ssl_ctx_st;
struct X509_VERIFY_PARAM_st;
extern struct X509_VERIFY_PARAM_st *SSL_CTX_get0_param(struct ssl_ctx_st *context);
extern int X509_VERIFY_PARAM_set1_ip_asc(struct X509_VERIFY_PARAM_st *parameters, const char *address);

/* Makes the peer's certificate need this IP address. 0 if it is none, and then nothing is changed. */
static inline int crabbitmq_require_address(amqp_socket_t *socket, const char *address) {
    struct ssl_ctx_st *context = (struct ssl_ctx_st *)amqp_ssl_socket_get_context(socket);
    return context ? X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(context), address) : 0;
}

#endif
