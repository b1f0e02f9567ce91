"""Models: sizes and names of their papers, each learns a batch by heart; what `guard` says of them."""

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import models, nn, optim

LABELS = dlcore.tensor([0, 1, 2, 3, 0, 1, 2, 3])


def images(*shape):
    return dlcore.tensor(np.random.default_rng(0).standard_normal((8, *shape)).astype(np.float32))


def learns_by_heart(model, loss, steps=60, lr=3e-3, least=0.05):
    optimizer, first = optim.Adam(model.parameters(), lr=lr), loss().item()
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
    assert all(p.grad is not None for p in model.parameters())
    assert value.item() < least * first, (first, value.item())


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: models.MLP(12, 32, 4, activation=nn.GELU), (12,)),
        (lambda: models.LeNet(4), (1, 28, 28)),
        (lambda: models.ResNet(nn.BottleneckBlock, (1, 1, 1, 1), 4), (3, 32, 32)),
        (lambda: models.MobileNetV2(4, dropout=0.0), (3, 32, 32)),
        (lambda: models.ViT(8, 4, 4, 3, dim=32, depth=2, heads=2, mlp_dim=64), (3, 8, 8)),
        (lambda: models.VGG((8, 0, 16, 0), 4, dropout=0.0), (3, 16, 16)),
        (lambda: models.VGG((8, 0, 16, 0), 4, dropout=0.0, batch_norm=True), (3, 16, 16)),
    ],
    ids=["mlp", "lenet", "resnet", "mobilenet", "vit", "vgg", "vgg_bn"],
)
def test_classifiers_learn_a_batch_by_heart(make, shape):
    dlcore.manual_seed(0)
    model, batch = make(), images(*shape)
    learns_by_heart(model, lambda: F.cross_entropy(model(batch), LABELS), lr=1e-2 if shape == (12,) else 3e-3)


def test_autoencoders_learn_a_batch_by_heart():
    dlcore.manual_seed(0)
    batch = (images(16) > 0).to(dlcore.float32)
    model = models.Autoencoder(16, 8, (32,))
    learns_by_heart(model, lambda: F.mse_loss(model(batch), batch), 300, 1e-2)
    vae = models.VAE(16, 8, 64)
    learns_by_heart(vae, lambda: vae.loss(batch), 300, 1e-2, least=0.8)


def test_a_unet_learns_masks_by_heart():
    dlcore.manual_seed(0)
    batch = images(1, 16, 16)
    masks = (batch > 0.5).to(dlcore.float32)
    model = models.UNet(width=8, depth=2)
    learns_by_heart(model, lambda: F.binary_cross_entropy_with_logits(model(batch), masks), 60, 1e-2)


def test_a_discriminator_learns_to_tell_what_a_generator_makes():
    dlcore.manual_seed(0)
    generator, discriminator = models.Generator(8, width=4), models.Discriminator(width=4)
    made, real = generator(generator.noise(8)), images(1, 32, 32)
    assert made.shape == (8, 1, 32, 32)
    assert made.abs().max().item() <= 1
    labels = dlcore.cat([dlcore.zeros(8), dlcore.ones(8)])
    both = dlcore.cat([made.detach(), real])
    learns_by_heart(discriminator, lambda: F.binary_cross_entropy_with_logits(discriminator(both), labels), 20, 1e-2)
    F.softplus(-discriminator(generator(generator.noise(8)))).mean().backward()
    assert all(p.grad is not None and p.grad.abs().max().item() > 0 for p in generator.parameters())


def test_an_lstm_learns_a_text_by_heart_and_continues_it():
    dlcore.manual_seed(0)
    model, text = models.CharLSTM(11, 32, 1), dlcore.tensor([[3, 1, 4, 0, 5, 9, 2, 6]])
    learns_by_heart(
        model, lambda: F.cross_entropy(model(text[:, :-1])[0].flatten(0, 1), text[:, 1:].flatten()), 100, 1e-2
    )
    assert model.generate(text[:, :3], 5, temperature=0).tolist() == text.tolist()
    logits, state = model(text[:, :4])
    continued, _ = model(text[:, 4:], state)
    np.testing.assert_allclose(
        dlcore.cat([logits, continued], 1).detach().numpy(), model(text)[0].detach().numpy(), atol=1e-5
    )


def text_model(**more):
    return models.GPT(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=32, dropout=0.0, **more)


def test_gpt_learns_a_text_by_heart():
    dlcore.manual_seed(0)
    model, text = text_model(), dlcore.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    learns_by_heart(model, lambda: F.cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten()), 80)
    for how in ({"temperature": 0}, {"top_k": 1}, {"top_p": 0.01}):
        assert model.generate(text[:, :3], 5, **how).tolist() == text.tolist()
    assert model.training


class Recomputing(models.GPT):
    """A GPT that forgets its caches, and computes everything again for every token."""

    def forward(self, tokens, caches=None):
        if caches is None:
            return super().forward(tokens)
        self.seen = tokens if len(caches[0]) == 0 else dlcore.cat([self.seen, tokens], 1)
        appended = dlcore.zeros(len(tokens), tokens.shape[1], 1)
        caches[0].append(appended, appended)
        return super().forward(self.seen)[:, -tokens.shape[1] :]


@pytest.mark.parametrize(
    "how",
    [{"temperature": 0}, {"temperature": 0.7}, {"top_k": 4}, {"top_p": 0.6}, {"top_k": 6, "top_p": 0.8}],
    ids=str,
)
def test_gpt_continues_the_same_with_kept_keys_and_values(how):
    dlcore.manual_seed(1)
    model, tokens = text_model(), dlcore.tensor([[1, 2, 3], [4, 5, 6]])
    plain = Recomputing(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=32, dropout=0.0)
    for parameter in model.parameters():  # far from its start, where all tokens are about as likely
        nn.init.normal_(parameter, std=0.3)
    plain.load_state_dict(model.state_dict())
    dlcore.manual_seed(2)
    found = model.generate(tokens, 12, **how)  # beyond the context
    dlcore.manual_seed(2)
    assert plain.generate(tokens, 12, **how).tolist() == found.tolist()
    assert found[:, :3].tolist() == tokens.tolist()
    if how == {"temperature": 0}:
        for _ in range(12):
            following = model(tokens[:, -8:])[:, -1].argmax(-1, keepdim=True)
            tokens = dlcore.cat([tokens, following], 1)
        assert found.tolist() == tokens.tolist()


def test_a_token_costs_one_position_while_the_context_holds():
    model, lengths = text_model(), []
    model.transformer.ln_f.register_forward_hook(lambda _, args, __: lengths.append(args[0].shape[1]))
    model.generate(dlcore.tensor([[1, 2, 3]]), 8)
    assert lengths == [3, 1, 1, 1, 1, 1, 8, 8]


def test_gpt_draws_as_it_is_told():
    dlcore.manual_seed(1)
    model, begin = text_model().eval(), dlcore.full((200, 1), 5)
    logits = model(begin[:1])[0, 0]
    likeliest = logits.topk(3).indices.tolist()
    assert set(model.generate(begin, 1, top_k=3)[:, 1].tolist()) == set(likeliest)
    assert set(model.generate(begin, 1, temperature=1e-4)[:, 1].tolist()) == {likeliest[0]}
    ordered = F.softmax(logits, -1).sort(descending=True)
    for top_p in (0.0, 0.3, 0.7, 1.0):
        inside = int((ordered.values.cumsum(0) - ordered.values < top_p).sum().item()) or 1
        allowed = set(ordered.indices[:inside].tolist())
        assert set(model.generate(begin, 1, top_p=top_p)[:, 1].tolist()) == allowed
    for wrong in ({"temperature": -1}, {"top_k": 0}, {"top_p": 1.5}):
        with pytest.raises(ValueError, match="expected temperature ≥ 0, top_k ≥ 1 and top_p in"):
            model.generate(begin, 1, **wrong)
    with pytest.raises(ValueError, match="9 tokens do not fit the context of 8"):
        model(dlcore.zeros(1, 9, dtype=dlcore.int64))
    caches = [nn.KVCache() for _ in range(2)]
    with pytest.raises(RuntimeError, match="generate under"):
        model(begin, caches)
    with dlcore.no_grad():
        parts = [model(part, caches) for part in dlcore.tensor([[1, 2, 3, 4]]).split(2, 1)]
        whole = model(dlcore.tensor([[1, 2, 3, 4]]))
    np.testing.assert_allclose(dlcore.cat(parts, 1).numpy(), whole.numpy(), atol=1e-5)


def test_bert_learns_a_text_by_heart_and_does_not_see_what_fills_up():
    dlcore.manual_seed(0)
    model = models.BERT(11, 32, 2, 2, 64, max_position_embeddings=8, dropout=0.0)
    head, text = nn.Linear(32, 11), dlcore.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    whole = nn.ModuleList([model, head])

    def loss():
        every, pooled = model(text)
        return F.cross_entropy(head(every)[0], text[0]) + pooled.square().mean()

    learns_by_heart(whole, loss, 80)
    mask = dlcore.tensor([[1, 1, 1, 1, 0, 0, 0, 0]])
    other = text.clone()
    other[:, 4:] = 7
    seen, changed = (model(tokens, mask)[0][:, :4].detach().numpy() for tokens in (text, other))
    np.testing.assert_allclose(seen, changed, atol=1e-6)
    names = list(model.state_dict())
    assert "encoder.layer.1.attention.self.query.weight" in names
    assert "encoder.layer.0.attention.output.LayerNorm.bias" in names
    assert {"encoder.layer.0.intermediate.dense.bias", "pooler.dense.weight"} < set(names)


def test_names_and_numbers_are_those_of_the_checkpoints():
    assert list(text_model().state_dict())[:10] == [
        "transformer.wte.weight",
        "transformer.wpe.weight",
        "transformer.h.0.ln_1.weight",
        "transformer.h.0.ln_1.bias",
        "transformer.h.0.attn.c_attn.weight",
        "transformer.h.0.attn.c_attn.bias",
        "transformer.h.0.attn.c_proj.weight",
        "transformer.h.0.attn.c_proj.bias",
        "transformer.h.0.ln_2.weight",
        "transformer.h.0.ln_2.bias",
    ]
    assert [name for name in models.resnet18().state_dict() if name.startswith("layer2.0.")][::6] == [
        "layer2.0.conv1.weight",
        "layer2.0.conv2.weight",
        "layer2.0.downsample.0.weight",
    ]
    vit = list(models.ViT(depth=1).state_dict())
    assert vit[0] == "class_token"
    assert sorted({name.removesuffix(".weight").removesuffix(".bias") for name in vit}) == [
        "class_token",
        "conv_proj",
        "encoder.layers.encoder_layer_0.ln_1",
        "encoder.layers.encoder_layer_0.ln_2",
        "encoder.layers.encoder_layer_0.mlp.0",
        "encoder.layers.encoder_layer_0.mlp.3",
        "encoder.layers.encoder_layer_0.self_attention.in_proj_bias",
        "encoder.layers.encoder_layer_0.self_attention.in_proj_weight",
        "encoder.layers.encoder_layer_0.self_attention.out_proj",
        "encoder.ln",
        "encoder.pos_embedding",
        "heads.head",
    ]
    assert list(models.VGG((8, 0), batch_norm=True).state_dict())[:3] == [
        "features.0.weight",
        "features.0.bias",
        "features.1.weight",
    ]
    counts = {
        11689512: models.resnet18(),
        61706: models.LeNet(),
        535818: models.MLP(784, 512, 256, 10),
        1083696: models.Autoencoder(),
        652824: models.VAE(),
        2693578: models.ViT(),
        3504872: models.MobileNetV2(),
        1086017: models.CharLSTM(65),
        1066880: models.Generator(),
        661248: models.Discriminator(),
        1942289: models.UNet(),
    }
    for count, model in counts.items():
        assert sum(p.numel() for p in model.parameters()) == count
    with pytest.raises(ValueError, match="do not divide"):
        models.GPT(n_head=5)
    with pytest.raises(ValueError, match="do not fit an image"):
        models.ViT(image_size=30, patch_size=7)
    with pytest.raises(ValueError, match="expected images of 32 x 32"):
        models.ViT(depth=1)(dlcore.zeros(1, 3, 28, 28))


def test_a_guard_names_the_layer_and_the_index():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    x = dlcore.ones(4, 3)
    with dlcore.guard(model):
        model(x).sum().backward()
    x[2, 1] = float("nan")
    message = r"Sequential: the model's input is nan at \[2, 1\]"
    with dlcore.guard(model), pytest.raises(FloatingPointError, match=message):
        model(x)
    dlcore.nn.init.constant_(model[2].weight, float("inf"))
    message = r"Sequential\.2 \(Linear\(in_f.*: its parameter weight is inf at \[0, 0\]"
    model[0].weight.data.fill_(-1)
    model[0].bias.data.fill_(0)
    with dlcore.guard(model), pytest.raises(FloatingPointError, match=message):
        model(dlcore.ones(4, 3))
    assert model(dlcore.ones(1, 3)).isnan().any()

    class Root(nn.Module):
        def forward(self, x):
            return x.sqrt()

    root, start = Root(), dlcore.zeros(2, requires_grad=True)
    with (
        dlcore.guard(root),
        pytest.raises(FloatingPointError, match=r"(?s)sqrt: the gradient by input 0.* is inf at \[0\].*in module Root"),
    ):
        root(start).sum().backward()


def test_the_attention_of_a_vit_has_a_dropout_of_its_own():
    block = models.ViT(depth=1, dropout=0.3).encoder.layers[0]
    assert (block.dropout.p, block.self_attention.dropout) == (0.3, 0.0)
    block = models.ViT(depth=1, attention_dropout=0.2).encoder.layers[0]
    assert (block.dropout.p, block.self_attention.dropout) == (0.0, 0.2)
