#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A matrix of floats that owns its memory: row after row, aligned to 64 bytes, zero at first.
public struct Matrix: ~Copyable {
    public let rows: Int
    public let columns: Int
    private let base: UnsafeMutablePointer<Float>

    public init(rows: Int, columns: Int) {
        precondition(rows >= 0 && columns >= 0, "a matrix of \(rows) × \(columns)")
        let bytes = max(1, (rows * columns * MemoryLayout<Float>.stride + 63) / 64) * 64
        guard let memory = aligned_alloc(64, bytes) else { preconditionFailure("no memory for \(bytes) bytes") }
        memset(memory, 0, bytes)
        self.rows = rows
        self.columns = columns
        self.base = memory.bindMemory(to: Float.self, capacity: max(1, rows * columns))
    }

    /// A matrix with these values, row after row.
    public init(rows: Int, columns: Int, _ values: some Collection<Float>) {
        precondition(values.count == rows * columns, "\(values.count) values for \(rows) × \(columns)")
        self.init(rows: rows, columns: columns)
        for (index, value) in values.enumerated() { self.base[index] = value }
    }

    deinit { free(self.base) }

    /// The whole matrix, for reading; valid while the matrix lives.
    public var view: MatrixView { MatrixView(self.base, rows: self.rows, columns: self.columns) }

    /// The whole matrix, for writing; valid while the matrix lives.
    public var mutableView: MutableMatrixView { MutableMatrixView(self.base, rows: self.rows, columns: self.columns) }

    public subscript(row: Int, column: Int) -> Float {
        get { self.view[row, column] }
        nonmutating set { self.mutableView[row, column] = newValue }
    }
}

/// A rectangle of floats in memory that something else owns: a matrix, a part of one, a mapped file.
///
/// Views carry pointers, because the parts of one matrix are written by several threads at once; whoever hands
/// out a view sees to it that the memory outlives it and that no two threads write the same part.
public struct MatrixView: @unchecked Sendable {
    public let base: UnsafePointer<Float>
    public let rows: Int
    public let columns: Int
    /// Floats from one row's start to the next one's.
    public let stride: Int

    public init(_ base: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        precondition(rows >= 0 && columns >= 0 && (stride ?? columns) >= columns, "a view of \(rows) × \(columns)")
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    /// One row.
    @inlinable public subscript(row: Int) -> UnsafeBufferPointer<Float> {
        precondition(row >= 0 && row < self.rows, "row \(row) of \(self.rows)")
        return UnsafeBufferPointer(start: self.base + row * self.stride, count: self.columns)
    }

    public subscript(row: Int, column: Int) -> Float {
        precondition(column >= 0 && column < self.columns, "column \(column) of \(self.columns)")
        return self[row][column]
    }

    /// Some rows, all columns.
    public func rows(_ range: Range<Int>) -> MatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= self.rows, "rows \(range) of \(self.rows)")
        return MatrixView(
            self.base + range.lowerBound * self.stride,
            rows: range.count,
            columns: self.columns,
            stride: self.stride
        )
    }

    /// All rows, some columns.
    public func columns(_ range: Range<Int>) -> MatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= self.columns, "columns \(range) of \(self.columns)")
        return MatrixView(self.base + range.lowerBound, rows: self.rows, columns: range.count, stride: self.stride)
    }

    /// The values, row after row.
    public var values: [Float] { (0..<self.rows).flatMap { Array(self[$0]) } }
}

/// A ``MatrixView`` that can be written through.
public struct MutableMatrixView: @unchecked Sendable {
    public let base: UnsafeMutablePointer<Float>
    public let rows: Int
    public let columns: Int
    /// Floats from one row's start to the next one's.
    public let stride: Int

    public init(_ base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        precondition(rows >= 0 && columns >= 0 && (stride ?? columns) >= columns, "a view of \(rows) × \(columns)")
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    /// The same part, for reading.
    public var view: MatrixView {
        MatrixView(self.base, rows: self.rows, columns: self.columns, stride: self.stride)
    }

    /// One row.
    @inlinable public subscript(row: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(row >= 0 && row < self.rows, "row \(row) of \(self.rows)")
        return UnsafeMutableBufferPointer(start: self.base + row * self.stride, count: self.columns)
    }

    public subscript(row: Int, column: Int) -> Float {
        get { self.view[row, column] }
        nonmutating set {
            precondition(column >= 0 && column < self.columns, "column \(column) of \(self.columns)")
            self[row][column] = newValue
        }
    }

    /// Some rows, all columns.
    public func rows(_ range: Range<Int>) -> MutableMatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= self.rows, "rows \(range) of \(self.rows)")
        return MutableMatrixView(
            self.base + range.lowerBound * self.stride,
            rows: range.count,
            columns: self.columns,
            stride: self.stride
        )
    }

    /// All rows, some columns.
    public func columns(_ range: Range<Int>) -> MutableMatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= self.columns, "columns \(range) of \(self.columns)")
        return MutableMatrixView(
            self.base + range.lowerBound,
            rows: self.rows,
            columns: range.count,
            stride: self.stride
        )
    }

    /// Sets every element.
    public func fill(_ value: Float) {
        for row in 0..<self.rows { self[row].update(repeating: value) }
    }

    /// Takes over every element of a matrix of the same shape.
    public func copy(_ other: MatrixView) {
        precondition(self.rows == other.rows && self.columns == other.columns, "shapes differ")
        for row in 0..<self.rows { _ = self[row].update(from: other[row]) }
    }
}
