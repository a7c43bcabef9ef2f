import CRabbitMQ

/// Memory for the strings and tables of AMQP methods, all freed at once.
///
/// The library copies what it is given into a frame before its call returns, so an arena lives as long as one call.
struct AMQPArena: ~Copyable {
    enum Field {
        case boolean(Bool)
        case integer(Int)
        case string(String)
        case table([(String, Field)])
    }

    private let pool: UnsafeMutablePointer<amqp_pool_t>

    init() {
        pool = .allocate(capacity: 1)
        pool.initialize(to: amqp_pool_t())
        init_amqp_pool(pool, 4_096)
    }

    deinit {
        empty_amqp_pool(pool)
        pool.deallocate()
    }

    /// Empty if there is no memory left.
    func bytes(_ text: String) -> amqp_bytes_t {
        bytes(Array(text.utf8))
    }

    func bytes(_ source: [UInt8]) -> amqp_bytes_t {
        var bytes = amqp_bytes_t()
        guard !source.isEmpty else { return bytes }
        amqp_pool_alloc_bytes(pool, source.count, &bytes)
        guard let start = bytes.bytes else { return amqp_bytes_t() }
        source.withUnsafeBytes {
            start.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(start), byteCount: $0.count)
        }
        return bytes
    }

    func table(_ fields: [(String, Field)]) -> amqp_table_t {
        guard !fields.isEmpty,
            let memory = amqp_pool_alloc(pool, fields.count * MemoryLayout<amqp_table_entry_t>.stride)
        else { return amqp_table_t() }
        let entries = memory.bindMemory(to: amqp_table_entry_t.self, capacity: fields.count)
        for (index, (name, field)) in fields.enumerated() {
            (entries + index).initialize(to: amqp_table_entry_t(key: bytes(name), value: value(field)))
        }
        return amqp_table_t(num_entries: CInt(fields.count), entries: entries)
    }

    private func value(_ field: Field) -> amqp_field_value_t {
        var value = amqp_field_value_t()
        switch field {
        case .boolean(let flag):
            value.kind = UInt8(AMQP_FIELD_KIND_BOOLEAN.rawValue)
            value.value.boolean = flag ? 1 : 0
        case .integer(let number):
            // Signed 32 bits where they suffice, as the reference sends them: brokers compare arguments by value.
            if let small = Int32(exactly: number) {
                value.kind = UInt8(AMQP_FIELD_KIND_I32.rawValue)
                value.value.i32 = small
            } else {
                value.kind = UInt8(AMQP_FIELD_KIND_I64.rawValue)
                value.value.i64 = Int64(number)
            }
        case .string(let text):
            value.kind = UInt8(AMQP_FIELD_KIND_UTF8.rawValue)
            value.value.bytes = bytes(text)
        case .table(let fields):
            value.kind = UInt8(AMQP_FIELD_KIND_TABLE.rawValue)
            value.value.table = table(fields)
        }
        return value
    }
}

extension amqp_bytes_t {
    var array: [UInt8] {
        guard let bytes, len > 0 else { return [] }
        return Array(UnsafeRawBufferPointer(start: bytes, count: len))
    }

    /// For log lines and names: what is not UTF-8 is replaced.
    var text: String { String(decoding: array, as: UTF8.self) }
}
