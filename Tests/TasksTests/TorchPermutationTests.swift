import Testing

@testable import Tasks

@Suite struct TorchPermutationTests {
    @Test func `the generator is MT19937`() {
        var generator = MersenneTwister(seed: 42)
        #expect(
            (0..<5).map { _ in generator.next() }
                == [1_608_637_542, 3_421_126_067, 4_083_286_876, 787_846_414, 3_143_890_026]
        )
    }

    /// The first ten and last three of `torch.randperm`, seed 42, for the sizes of GLUE's files.
    @Test(arguments: [
        (277, [207, 84, 253, 243, 190, 28, 165, 111, 87, 170], [1, 119, 38]),
        (408, [30, 63, 342, 322, 6, 302, 94, 83, 158, 212], [231, 113, 54]),
        (1043, [911, 408, 813, 657, 710, 526, 977, 467, 768, 440], [749, 606, 338]),
        (1500, [42, 340, 1028, 766, 1150, 1160, 1300, 791, 458, 989], [861, 940, 754]),
        (9815, [8117, 4924, 9261, 1689, 4135, 5740, 5074, 3627, 2262, 9696], [6955, 2032, 8113]),
        (9832, [4358, 6885, 3178, 2922, 1282, 550, 76, 1356, 9742, 440], [1246, 4362, 1703]),
        (67349, [6677, 49712, 38268, 32909, 23395, 66940, 62886, 11359, 52008, 24222], [8208, 58784, 3253]),
        (104_743, [99291, 42864, 63734, 96877, 44206, 64004, 30013, 38331, 428, 90134], [71818, 68663, 101_195]),
    ])
    func `is PyTorch's`(count: Int, first: [Int], last: [Int]) {
        let order = torchPermutation(count: count, seed: 42)
        #expect(order.prefix(10) == first[...])
        #expect(order.suffix(3) == last[...])
        #expect(order.sorted() == Array(0..<count))
    }

    @Test func `is PyTorch's for GLUE's largest file`() {
        let order = torchPermutation(count: 363_846, seed: 42)
        #expect(order.prefix(5) == [74376, 255_378, 229_510, 126_322, 295_150])
        #expect(order.suffix(3) == [215_465, 125_558, 55352])
    }

    @Test func `nothing and one have one order`() {
        #expect(torchPermutation(count: 0, seed: 42) == [])
        #expect(torchPermutation(count: 1, seed: 42) == [0])
    }
}
