"""Programs in PyTorch's idioms, as repositories have them, with the import changed and nothing else."""

import math
from collections import deque

import dlcore as torch
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import nn
from dlcore.cuda.amp import GradScaler, autocast
from dlcore.distributions import Categorical
from dlcore.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from dlcore.utils.data import DataLoader, Dataset


class CausalSelfAttention(nn.Module):
    def __init__(self, n_embd, n_head, block_size):
        super().__init__()
        self.c_attn = nn.Linear(n_embd, 3 * n_embd, bias=False)
        self.c_proj = nn.Linear(n_embd, n_embd, bias=False)
        self.n_head, self.n_embd = n_head, n_embd
        self.flash = hasattr(torch.nn.functional, "scaled_dot_product_attention")
        self.register_buffer("bias", torch.tril(torch.ones(block_size, block_size)).view(1, 1, block_size, block_size))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
        q, k, v = (t.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for t in (q, k, v))
        if self.flash and self.training:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0, is_causal=True)
        else:
            att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
            y = F.softmax(att, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    def __init__(self, n_embd, n_head, block_size):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd, bias=False)
        self.attn = CausalSelfAttention(n_embd, n_head, block_size)
        self.mlp = nn.ModuleDict(
            {
                "c_fc": nn.Linear(n_embd, 4 * n_embd),
                "c_proj": nn.Linear(4 * n_embd, n_embd),
                "act": nn.GELU(approximate="tanh"),
            }
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        m = self.mlp
        return x + m.c_proj(m.act(m.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self, vocab_size=11, n_embd=32, n_head=2, block_size=8, n_layer=2):
        super().__init__()
        self.block_size = block_size
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocab_size, n_embd),
                "wpe": nn.Embedding(block_size, n_embd),
                "h": nn.ModuleList([Block(n_embd, n_head, block_size) for _ in range(n_layer)]),
                "ln_f": nn.LayerNorm(n_embd),
            }
        )
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        self.apply(self._init_weights)
        for pn, p in self.named_parameters():
            if pn.endswith("c_proj.weight"):
                torch.nn.init.normal_(p, mean=0.0, std=0.02 / math.sqrt(2 * n_layer))

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)

    def forward(self, idx, targets=None):
        device = idx.device
        pos = torch.arange(0, idx.size(1), dtype=torch.long, device=device)
        x = self.transformer.wte(idx) + self.transformer.wpe(pos)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        if targets is None:
            return self.lm_head(x[:, [-1], :]), None
        logits = self.lm_head(x)
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)

    @torch.no_grad()
    def generate(self, idx, max_new_tokens, temperature=1.0, top_k=None):
        for _ in range(max_new_tokens):
            idx_cond = idx if idx.size(1) <= self.block_size else idx[:, -self.block_size :]
            logits, _ = self(idx_cond)
            logits = logits[:, -1, :] / temperature
            if top_k is not None:
                v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
                logits[logits < v[:, [-1]]] = -float("Inf")
            idx = torch.cat((idx, torch.multinomial(F.softmax(logits, dim=-1), num_samples=1)), dim=1)
        return idx


def test_a_gpt_trainer(tmp_path):
    torch.manual_seed(1337)
    torch.cuda.manual_seed_all(1337)
    torch.backends.cuda.matmul.allow_tf32 = True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    ctx = torch.amp.autocast(device_type=device.type, dtype=torch.bfloat16, enabled=False)
    scaler = torch.amp.GradScaler(device.type, enabled=False)
    model = torch.compile(GPT().to(device))
    params = {pn: p for pn, p in model.named_parameters() if p.requires_grad}
    groups = [
        {"params": [p for p in params.values() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in params.values() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95), fused=True)
    data = torch.arange(200) % 11
    losses = []
    for _ in range(200):
        for param_group in optimizer.param_groups:
            param_group["lr"] = 5e-3
        for _ in range(2):
            ix = torch.randint(len(data) - 8, (4,))
            x = torch.stack([data[i : i + 8] for i in ix])
            y = torch.stack([data[i + 1 : i + 9] for i in ix])
            with ctx:
                _, loss = model(x.to(device), y.to(device, non_blocking=True))
                loss = loss / 2
            scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    assert losses[-1] < 0.4 < losses[0]
    checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "iter_num": 60, "config": {"a": 1}}
    torch.save(checkpoint, tmp_path / "ckpt.pt")
    checkpoint = torch.load(tmp_path / "ckpt.pt", map_location=device)
    other = GPT()
    other.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    other.eval()
    found = other.generate(torch.tensor([[3, 4, 5]], dtype=torch.long, device=device), 9, temperature=0.2, top_k=3)
    assert found[0].tolist() == [(3 + i) % 11 for i in range(12)]


def double_conv(before, after):
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inc, self.down = double_conv(1, 8), nn.Sequential(nn.MaxPool2d(2), double_conv(8, 16))
        self.up, self.conv = nn.ConvTranspose2d(16, 8, kernel_size=2, stride=2), double_conv(16, 8)
        self.outc = nn.Conv2d(8, 2, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.up(self.down(x1))
        dy, dx = x1.size()[2] - x2.size()[2], x1.size()[3] - x2.size()[3]
        x2 = F.pad(x2, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.outc(self.conv(torch.cat([x1, x2], dim=1)))


class Discs(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        image = torch.zeros(1, 13, 14)
        image[:, index % 4 + 2 : index % 4 + 7, 3:9] = 1.0
        return {"image": image + 0.1 * torch.randn(1, 13, 14), "mask": image[0].long()}


def test_a_unet_trainer():
    torch.manual_seed(0)
    net = UNet().to(device="cpu")
    loader = DataLoader(Discs(), batch_size=4, shuffle=True, num_workers=0, pin_memory=True, drop_last=True)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9, foreach=True)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=5)
    criterion = nn.CrossEntropyLoss()
    for _ in range(12):
        net.train()
        for batch in loader:
            images, masks = batch["image"].to(dtype=torch.float32), batch["mask"].to(device="cpu", dtype=torch.long)
            pred = net(images)
            loss = criterion(pred, masks)
            soft, hard = F.softmax(pred, dim=1).float(), F.one_hot(masks, 2).permute(0, 3, 1, 2).float()
            inter = 2 * (soft * hard).sum(dim=(-1, -2, -3))
            loss += (1 - (inter + 1e-6) / (soft.sum(dim=(-1, -2, -3)) + hard.sum(dim=(-1, -2, -3)) + 1e-6)).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        net.eval()
        with torch.inference_mode():
            score = (net(images).argmax(dim=1) == masks).float().mean()
        scheduler.step(score)
    assert score > 0.97


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(20, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 12, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)
        self.fc = nn.Linear(24, 3)
        for name, p in self.lstm.named_parameters():
            if "weight_hh" in name:
                nn.init.orthogonal_(p.data)
            elif "bias" in name:
                n = p.size(0)
                p.data[n // 4 : n // 2].fill_(1.0)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.emb(x), lengths.cpu(), batch_first=True, enforce_sorted=False)
        out, (h, _) = self.lstm(packed)
        out, _ = pad_packed_sequence(out, batch_first=True, total_length=x.size(1))
        return F.log_softmax(self.fc(out), dim=2), torch.cat((h[-2], h[-1]), dim=1)


def test_a_tagger_of_packed_sequences():
    torch.manual_seed(0)
    model = Tagger()
    optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=1e-2)
    sequences = [torch.randint(1, 20, (n,)) for n in (3, 7, 5, 6)]
    x = pad_sequence(sequences, batch_first=True, padding_value=0)
    y = pad_sequence([s % 3 for s in sequences], batch_first=True, padding_value=-100)
    lengths = torch.tensor([len(s) for s in sequences])
    for _ in range(60):
        model.train()
        out, last = model(x, lengths)
        loss = nn.NLLLoss(ignore_index=-100)(out.view(-1, 3), y.view(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mask = x != 0
    assert (((out.argmax(-1) == y) & mask).sum().float() / mask.sum()).item() > 0.95
    assert last.shape == (4, 24)


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


def test_a_gan_loop_with_a_gradient_penalty():
    torch.manual_seed(0)
    generator = nn.Sequential(
        nn.ConvTranspose2d(6, 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(True),
        nn.ConvTranspose2d(8, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    ).apply(weights_init)
    critic = nn.Sequential(
        nn.Conv2d(1, 8, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(8, 1, 4, 1, 0, bias=False),
        nn.Sigmoid(),
    ).apply(weights_init)
    criterion = nn.BCELoss()
    d_step = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.999))
    g_step = torch.optim.Adam(nn.DataParallel(generator).parameters(), lr=2e-4, betas=(0.5, 0.999))
    for _ in range(8):
        critic.zero_grad()
        real = 0.5 + 0.1 * torch.rand(4, 1, 8, 8)
        label = torch.full((4,), 1.0, dtype=torch.float, device="cpu")
        output = critic(real).view(-1)
        err_real = criterion(output, label)
        err_real.backward()
        fake = generator(torch.randn(4, 6, 1, 1, device="cpu"))
        label.fill_(0.0)
        err_fake = criterion(critic(fake.detach()).view(-1), label)
        err_fake.backward()
        between = real.data.lerp(fake.data, torch.rand(4, 1, 1, 1)).requires_grad_(True)
        out = critic(between)
        slopes = torch.autograd.grad(
            outputs=out, inputs=between, grad_outputs=torch.ones(out.size()),
            create_graph=True, retain_graph=True, only_inputs=True,
        )[0]  # fmt: skip
        (10 * ((slopes.view(slopes.size(0), -1).norm(2, dim=1) - 1) ** 2).mean()).backward()
        d_step.step()
        generator.zero_grad()
        label.fill_(1.0)
        err_g = criterion(critic(fake).view(-1), label)
        err_g.backward()
        g_step.step()
    assert math.isfinite((err_real + err_fake + err_g).item())
    assert critic(real).mean() > critic(fake).mean()


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1, self.affine2 = nn.Linear(4, 32), nn.Linear(32, 2)
        self.saved_log_probs, self.rewards = [], []

    def forward(self, x):
        return F.softmax(self.affine2(F.relu(self.affine1(x))), dim=1)


def test_a_policy_gradient():
    torch.manual_seed(543)
    policy = Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    eps = torch.finfo(torch.float32).eps

    def finish_episode():
        r, policy_loss, returns = 0, [], deque()
        for reward in policy.rewards[::-1]:
            r = reward + 0.1 * r
            returns.appendleft(r)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + eps)
        for log_prob, r in zip(policy.saved_log_probs, returns, strict=True):
            policy_loss.append(-log_prob * r)
        optimizer.zero_grad()
        torch.cat(policy_loss).sum().backward()
        optimizer.step()
        del policy.rewards[:], policy.saved_log_probs[:]

    generator, scores = np.random.default_rng(0), []
    for _ in range(60):
        for _ in range(20):
            state = generator.standard_normal(4)
            m = Categorical(policy(torch.from_numpy(state).float().unsqueeze(0)))
            action = m.sample()
            policy.saved_log_probs.append(m.log_prob(action))
            policy.rewards.append(1.0 if (state[0] > 0) == (action.item() == 1) else -1.0)
        scores.append(sum(policy.rewards) / 20)
        finish_episode()
    assert sum(scores[-10:]) / 10 > 0.6 > sum(scores[:10]) / 10


def test_two_schedules_stepped_in_turn_with_averaged_weights(tmp_path):
    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=4)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    average = torch.optim.swa_utils.AveragedModel(model)
    scaler = GradScaler(enabled=torch.cuda.is_available())
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        lam, index = 0.7, torch.randperm(x.size(0))
        mixed = lam * x + (1 - lam) * x[index, :]
        with autocast():
            out = model(mixed)
            loss = lam * F.cross_entropy(out, y) + (1 - lam) * F.cross_entropy(out, y[index])
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        warmup.step()
        decay.step()
        average.update_parameters(model)
    expected = [0.1 * min(0.1 + 0.9 * step / 4, 1) * 0.9**step for step in range(8)]
    assert rates == pytest.approx(expected)
    state = {"scheduler": decay.state_dict(), "scaler": scaler.state_dict(), "average": average.state_dict()}
    torch.save(state, tmp_path / "state.pt")
    again = torch.load(tmp_path / "state.pt")
    assert (again["scheduler"], again["scaler"]) == (state["scheduler"], state["scaler"])
    average.load_state_dict(again["average"])
    torch.optim.swa_utils.update_bn(DataLoader(x, batch_size=16), average)
    assert average.module[1].num_batches_tracked.item() == 4


def test_another_device_is_refused_with_advice():
    with pytest.raises(RuntimeError, match="computes on the CPU"):
        torch.device("cuda:0")
    assert torch.device("cpu", 0) == torch.zeros(1).device
